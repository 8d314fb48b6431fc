import type { Repository } from '@capstan/api';
import { expect, test, type Page } from '@playwright/test';
import { ROOT, SYSTEM_FILES, aSystem, change, type System } from '@capstan/test-support';

/** What the page says that a token needs, without the one that a person forgets. */
const FORGETFUL = {
  contents: 'write',
  pull_requests: 'read',
  issues: 'write',
  statuses: 'read',
  actions: 'read',
} as const;

test.describe.configure({ mode: 'serial' });

let system: System;
let page: Page;
let token: string;

test.beforeAll(async ({ browser }) => {
  system = await aSystem({ repositories: [] });
  await system.forge.createRepository('acme/app', { files: SYSTEM_FILES, private: true });
  token = system.forge.createToken({ login: 'ada', repositories: ['acme/app'], grants: FORGETFUL });
  page = await browser.newPage({ baseURL: system.capstan.url });
});
test.afterAll(async () => {
  await page?.close();
  await system?.expectNothingLeft();
});

const permission = (name: string) => page.getByTestId('permission').filter({ hasText: name });

test('a person with nothing but a fine-grained token is told what it lacks, in the words of its page', async () => {
  await page.goto('/sign-in');
  await page.getByLabel('E-mail').fill(system.email);
  await page.getByLabel('Password').fill(system.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText('No tasks yet')).toBeVisible();
  await page.goto('/repositories');
  await page.getByRole('button', { name: 'Add a repository' }).first().click();
  await page.getByLabel('API address').fill(system.forge.apiUrl);
  await page.getByLabel('Repository', { exact: true }).fill('acme/app');
  const link = page.getByRole('link', { name: /^New token at/ });
  await expect(link).toHaveAttribute('href', /target_name=acme&contents=write&pull_requests=write&issues=write/);
  await page.getByLabel('Paste it here').fill(token);
  await page.getByLabel('Command').fill(system.agentArgv.map((word) => `"${word}"`).join(' '));
  await page.getByRole('button', { name: 'Add the repository' }).click();
  await expect(page.getByTestId('token-verdict')).toContainText('The token lacks Pull requests: Read and write');
  await expect(page.getByLabel('Paste it here')).toHaveAttribute('aria-invalid', 'true');
  await expect(permission('Pull requests: Read and write')).toContainText('Resource not accessible by personal');
  await expect(permission('Pull requests: Read and write')).toContainText('What helps:');
  await expect(permission('Contents: Read and write')).toContainText('Granted');
  await expect(permission('Checks: Read-only')).toContainText('Seen through Actions');
  await page.screenshot({ path: `${ROOT}/test-results/screens/token-lacks.png`, fullPage: true });
});

test('changes the token at the forge, and the repository is added', async () => {
  system.forge.changeToken(token, { grants: { ...FORGETFUL, pull_requests: 'write' } });
  await page.getByRole('button', { name: 'Test it' }).click();
  await expect(page.getByTestId('token-verdict')).toContainText('The token can do all that tasks need');
  await page.getByRole('button', { name: 'Add the repository' }).click();
  await expect(page.getByRole('heading', { name: /acme\/app/ })).toBeVisible();
  await page.getByRole('button', { name: 'Test the token of acme/app' }).click();
  await expect(page.getByTestId('token-verdict')).toContainText('The token can do all that tasks need');
});

test('a ticket of it is merged with that token', async () => {
  const { items } = await system.get<{ items: Repository[] }>('/api/repositories');
  expect(items).toHaveLength(1);
  system.repositories.set('acme/app', items[0]!);
  const number = await system.ticket('Add a file', change('fine-grained'));
  const { id } = await system.taskOf(number);
  await system.untilState(id, 'completed', 80_000);
  await system.untilTicketClosed(number);
  const [pull] = await system.atForge<{ merged_at: string | null; user: { login: string } }[]>(
    '/repos/acme/app/pulls?state=all',
  );
  expect(pull).toMatchObject({ merged_at: expect.any(String), user: { login: 'ada' } });
});
