import type { Repository } from '@capstan/api';
import { expect, test, type Page } from '@playwright/test';
import { LABEL, ROOT, SYSTEM_FILES, aSystem, change, type System } from '@capstan/test-support';

test.describe.configure({ mode: 'serial' });

let system: System;
let page: Page;

test.beforeAll(async ({ browser }) => {
  system = await aSystem({ repositories: [] });
  await system.forge.createRepository('acme/app', { files: SYSTEM_FILES, private: true });
  page = await browser.newPage({ baseURL: system.capstan.url });
});
test.afterAll(async () => {
  await page?.close();
  await system?.expectNothingLeft();
});

test('a person with no token creates a GitHub App with two clicks and chooses its repositories', async () => {
  await page.goto('/sign-in');
  await page.getByLabel('E-mail').fill(system.email);
  await page.getByLabel('Password').fill(system.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText('No tasks yet')).toBeVisible();
  await page.goto('/repositories#add');
  await page.locator('label').filter({ hasText: 'As a GitHub App' }).click();
  await page.getByRole('link', { name: 'Create a GitHub App' }).click();
  await page.getByLabel('Organisation').fill('acme');
  await page.getByLabel('API address').fill(system.forge.apiUrl);
  await page.getByRole('button', { name: 'Create a GitHub App' }).click();
  // GitHub's pages: the app, and where it is installed.
  await page.getByRole('button', { name: 'Create GitHub App' }).click();
  await page.getByLabel('acme/app').check();
  await page.getByRole('button', { name: 'Install' }).click();
  await expect(page.getByText('GitHub has installed the app')).toBeVisible();
  await expect(page.getByTestId('forge-app')).toContainText('ready');
  expect(new URL(page.url()).search).toBe('');
  await page.screenshot({ path: `${ROOT}/test-results/screens/github-app.png`, fullPage: true });
});

test('adds the repository as the app, and a ticket of it is merged', async () => {
  await page.getByRole('link', { name: 'Add a repository' }).click();
  await page.getByLabel('Repository', { exact: true }).fill('acme/app');
  await page.locator('label').filter({ hasText: 'As a GitHub App' }).click();
  await expect(page.getByLabel('API address')).toHaveValue(system.forge.apiUrl);
  await page.getByLabel('Label', { exact: true }).fill(LABEL);
  await page.getByLabel('Command').fill(system.agentArgv.map((word) => `"${word}"`).join(' '));
  await page.getByRole('button', { name: 'Add the repository' }).click();
  await expect(page.getByRole('heading', { name: /acme\/app/ })).toBeVisible();
  const { items } = await system.get<{ items: Repository[] }>('/api/repositories');
  expect(items).toMatchObject([{ fullName: 'acme/app', forgeApp: { slug: expect.any(String) as string } }]);
  const number = await system.ticket('Say hello', change('hello'));
  const task = await system.taskOf(number);
  await system.untilState(task.id, 'completed', 80_000);
});
