import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import { startFakeGateway } from './fake-gateway.mjs';
import { parkedRows } from './fake-parked.mjs';
import { makeWorld } from './fake-world.mjs';

/**
 * `npm run look -w web`: pictures of every page, wide and narrow, light and dark, into --out. Fails when a page writes an
 * error to the console (a broken content security policy does) or scrolls sideways.
 */
const { values } = parseArgs({
  options: { out: { type: 'string', default: '.cache/look' }, only: { type: 'string' } },
});
const PORT = 4197;
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];
const world = makeWorld();
world.parked = parkedRows();
const gateway = await startFakeGateway({ port: PORT, world });
const browser = await chromium.launch({ executablePath: process.env.CHROME_BIN ?? '/usr/bin/chromium', args: ARGS });
await mkdir(values.out, { recursive: true });
const faults = [];
const taskIn = (state, more = () => true) =>
  `/tasks/${world.tasks.find((task) => task.state === state && more(task)).shortId}`;

async function withPage(width, scheme, use) {
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 844 : 900 },
    colorScheme: scheme,
    baseURL: `http://127.0.0.1:${PORT}`,
  });
  const page = await context.newPage();
  page.on(
    'console',
    (message) =>
      message.type() === 'error' && !message.text().includes('401') && faults.push(`${page.url()}: ${message.text()}`),
  );
  page.on('pageerror', (error) => faults.push(`${page.url()}: ${error}`));
  await use(page);
  await context.close();
}

async function testedToken(page, token) {
  await page.getByRole('button', { name: 'Add a repository' }).click();
  await page.getByLabel('Repository', { exact: true }).fill('acme/storefront');
  await page.getByLabel('Paste it here').fill(token);
  await page.getByRole('button', { name: 'Test it' }).click();
  await page.getByTestId('token-verdict').scrollIntoViewIfNeeded();
}

const PAGES = {
  board: { path: '/' },
  'task-live': { path: taskIn('running', (task) => task.isLive), ready: '[data-line]' },
  'task-open-call': {
    path: taskIn('running', (task) => task.isLive),
    ready: '[data-line]',
    act: async (page) => {
      await page.getByLabel('Search the log').fill('case 3');
      await page.getByRole('button', { name: 'Next match' }).click();
    },
  },
  'task-review': { path: taskIn('pr_opened', (task) => task.runCount === 3) },
  'task-review-life': {
    path: taskIn('completed'),
    act: (page) =>
      page.viewportSize().width < 500
        ? page.locator('label').filter({ hasText: 'Life' }).click({ timeout: 3_000 })
        : null,
  },
  'task-log-expired': { path: taskIn('completed', (task) => task.isLogExpired), ready: '[data-testid=log-expired]' },
  'task-network': {
    path: taskIn('completed'),
    act: async (page) => {
      if (page.viewportSize().width < 500) await page.locator('label').filter({ hasText: 'Details' }).click();
      await page.getByRole('heading', { name: 'Network' }).scrollIntoViewIfNeeded();
    },
  },
  'task-failed': { path: taskIn('failed') },
  'task-queued': { path: taskIn('queued') },
  new: { path: '/new', act: (page) => page.getByRole('button', { name: 'Create the task' }).click() },
  repositories: { path: '/repositories' },
  'repositories-edit': {
    path: '/repositories',
    act: (page) => page.getByRole('button', { name: 'Edit' }).first().click(),
  },
  'repositories-add': {
    path: '/repositories',
    act: (page) => page.getByRole('button', { name: 'Add a repository' }).click(),
  },
  'repositories-token-narrow': { path: '/repositories', act: (page) => testedToken(page, 'narrow') },
  'repositories-token-private': { path: '/repositories', act: (page) => testedToken(page, 'private') },
  'repositories-token-blind': { path: '/repositories', act: (page) => testedToken(page, 'blind') },
  'repositories-token-ready': { path: '/repositories', act: (page) => testedToken(page, 'all') },
  'repositories-token-stored': {
    path: '/repositories',
    act: (page) => page.getByRole('button', { name: 'Test the token' }).first().click(),
  },
  'repositories-app': {
    path: '/repositories',
    act: async (page) => {
      await page.getByRole('button', { name: 'Add a repository' }).click();
      await page.locator('label').filter({ hasText: 'As a GitHub App' }).click();
    },
  },
  'github-app': { path: '/settings/github-app', ready: '[data-testid=forge-app]' },
  'github-app-installed': {
    path: '/settings/github-app?installation_id=1&setup_action=install',
    ready: '[role=status]',
  },
  pods: { path: '/pods' },
  parked: { path: '/parked', ready: '[data-testid=parked-row]' },
  'parked-drop': {
    path: '/parked',
    ready: '[data-testid=parked-row]',
    act: (page) => page.getByRole('button', { name: /^Drop Run 2/ }).click(),
  },
  'parked-empty': { path: '/parked', before: () => (world.parked = []), after: () => (world.parked = parkedRows()) },
  help: { path: '/help#image_missing', ready: '#image_missing' },
  settings: { path: '/settings', ready: '[data-testid=credential]' },
  'settings-secrets': {
    path: '/settings',
    ready: '[data-testid=credential]',
    act: (page) => page.getByRole('button', { name: 'Set CLAUDE_CODE_OAUTH_TOKEN' }).click(),
  },
  'settings-mine': {
    path: '/settings',
    ready: '[data-testid=credential]',
    act: (page) => page.locator('label').filter({ hasText: 'Mine' }).click(),
  },
  'settings-fail-over': {
    path: '/settings',
    ready: '[data-testid=order-entry]',
    act: async (page) => {
      await page.locator('label').filter({ hasText: 'Compatible provider' }).click();
      await page.getByLabel('Address').fill('http://models.example/v1');
      await page.getByRole('textbox', { name: 'Secret' }).fill('OTHER_KEY');
      await page.getByRole('button', { name: 'Add the step' }).click();
      await page.getByRole('button', { name: 'Save the order' }).scrollIntoViewIfNeeded();
    },
  },
  agents: { path: '/settings/agents', ready: '[data-testid=agent]' },
  'agents-testing': {
    path: '/settings/agents',
    ready: '[data-testid=agent]',
    act: (page) => page.getByRole('button', { name: 'Test Codex' }).click(),
  },
  connection: { path: '/', act: (page) => page.getByTestId('connection').click() },
  actions: { path: taskIn('running', (task) => task.isLive), act: (page) => page.getByLabel('All actions').click() },
  'task-stalled': { path: taskIn('running', (task) => task.stalled) },
  'task-message': {
    path: taskIn('running', (task) => task.isLive),
    act: async (page) => {
      await page.getByRole('button', { name: 'Message' }).click();
      await page.getByRole('textbox', { name: 'Message' }).fill('Use integers for the amounts.');
    },
  },
  'task-limits': {
    path: taskIn('running', (task) => task.isLive),
    act: async (page) => {
      if (page.viewportSize().width < 500) await page.locator('label').filter({ hasText: 'Details' }).click();
      await page.getByRole('button', { name: 'Change limits' }).click();
      await page.getByLabel('Turns').fill('0');
      await page.getByRole('button', { name: 'Save' }).click();
    },
  },
  paused: {
    path: '/',
    before: () => (world.pausedAt = new Date(Date.now() - 300_000).toISOString()),
    after: () => (world.pausedAt = null),
  },
  confirm: { path: '/', act: (page) => page.getByRole('button', { name: 'Cancel active' }).click() },
  shortcuts: { path: '/', act: (page) => page.keyboard.press('?') },
  'sign-in': { path: '/sign-in' },
  setup: {
    path: `/setup#token=${'t'.repeat(32)}`,
    before: () => (world.needsSetUp = true),
    after: () => (world.needsSetUp = false),
  },
};

for (const [name, { path, ready, act, before, after }] of Object.entries(PAGES)) {
  if (values.only !== undefined && !values.only.split(',').includes(name)) continue;
  before?.();
  for (const width of [1440, 390]) {
    for (const scheme of ['light', 'dark']) {
      await withPage(width, scheme, async (page) => {
        await page.goto(path);
        await page
          .locator(ready ?? 'h1')
          .first()
          .waitFor({ state: 'attached' });
        await page.waitForTimeout(700);
        await Promise.resolve(act?.(page)).catch((error) =>
          faults.push(`${name} ${width}: ${error.message.split('\n')[0]}`),
        );
        await page.waitForTimeout(450);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (sideways > 0) faults.push(`${name} ${width}: scrolls ${sideways} px sideways`);
        await page.screenshot({ path: join(values.out, `${name}-${width}-${scheme}.png`) });
      });
    }
  }
  after?.();
}
await browser.close();
gateway.close();
for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
