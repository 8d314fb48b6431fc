import { randomBytes } from 'node:crypto';
import type { Repository, Task } from '@capstan/api';
import { expect, test, type Page } from '@playwright/test';
import { ROOT, SYSTEM_FILES, aSystem, change, type System } from '@capstan/test-support';

const USER = { name: 'Ada Lovelace', email: 'ada@example.org', password: `Pa55-${randomBytes(9).toString('hex')}` };
const SCREENS = `${ROOT}/test-results/screens`;
const COLUMNS = ['Queued', 'Working', 'Needs you', 'In review', 'Done'];

test.describe.configure({ mode: 'serial' });

let system: System;
let page: Page;
let setUpToken: string;

test.beforeAll(async ({ browser }) => {
  system = await aSystem({ setUp: false });
  setUpToken = system.capstan.setUpToken!;
  await system.forge.createRepository('acme/app', { files: SYSTEM_FILES });
  page = await browser.newPage({ baseURL: system.capstan.url });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    // What the network does while the host is killed is no fault of the page.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection/.test(message.text()))
      faults.push(message.text());
  });
});
test.afterAll(async () => {
  await page?.close();
  await system?.expectNothingLeft();
});

/** What the browser complained of, over all tests. */
const faults: string[] = [];

const column = (name: string) => page.getByRole('region', { name, exact: true });
const card = (name: string, title: string) => column(name).getByRole('link', { name: title });
const indicator = () => page.getByRole('button', { name: /^Connection:/ });

test('a strange visitor sees neither set-up nor a board', async () => {
  await page.goto('/');
  await expect(page).toHaveURL(/\/setup$/);
  await expect(page.getByRole('heading', { name: 'Open the set-up link' })).toBeVisible();
});

test('the set-up link makes the first user, and only once', async () => {
  await page.goto(`/setup#token=${setUpToken}`);
  await expect(page).not.toHaveURL(/token=/);
  await page.getByLabel('Your name').fill(USER.name);
  await page.getByLabel('E-mail').fill('not an address');
  await page.getByLabel('Password').fill('short');
  await page.getByRole('button', { name: 'Set up and sign in' }).click();
  await expect(page.getByLabel('E-mail')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByLabel('Password')).toHaveAttribute('aria-invalid', 'true');
  await page.getByLabel('E-mail').fill(USER.email);
  await page.getByLabel('Password').fill(USER.password);
  await page.getByLabel('Workspace').fill('Analytical Engines');
  await page.getByRole('button', { name: 'Set up and sign in' }).click();
  await expect(page.getByText('No tasks yet')).toBeVisible();
  await expect(page.getByRole('banner').getByText('Analytical Engines')).toBeVisible();
  await page.goto('about:blank');
  await page.goto(`/setup#token=${setUpToken}`);
  await expect(page.getByRole('heading', { name: 'Already set up' })).toBeVisible();
});

test('signs out and in again; a wrong password is told so', async () => {
  await page.goto('/settings');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/sign-in/);
  await page.getByLabel('E-mail').fill(USER.email);
  await page.getByLabel('Password').fill('certainly wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await page.getByLabel('Password').fill(USER.password);
  await page.keyboard.press('Enter');
  await expect(page.getByText('No tasks yet')).toBeVisible();
  await expect(indicator()).toHaveAccessibleName('Connection: Live');
});

test('adds a repository; what is wrong is said beside its field', async () => {
  await page.getByRole('link', { name: 'Repositories' }).first().click();
  await page.getByRole('button', { name: 'Add a repository' }).first().click();
  await page.getByRole('button', { name: 'Add the repository' }).click();
  await expect(page.getByLabel('Repository', { exact: true })).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByLabel('Repository', { exact: true })).toBeFocused();
  await page.getByLabel('Repository', { exact: true }).fill('acme/app');
  await page.getByLabel('API address').fill(system.forge.apiUrl);
  await page.getByLabel('Paste it here').fill('a token that the forge refuses');
  await page.getByLabel('Webhook secret').fill(system.webhookSecret);
  await page.getByLabel('Command').fill(system.agentArgv.map((word) => `"${word}"`).join(' '));
  await page.getByLabel('It writes').selectOption('ndjson');
  await page.getByRole('button', { name: 'Add the repository' }).click();
  await expect(page.getByLabel('Paste it here')).toHaveAttribute('aria-invalid', 'true');
  await page.getByLabel('Paste it here').fill(system.forgeToken);
  await page.getByRole('button', { name: 'Add the repository' }).click();
  await expect(page.getByRole('heading', { name: /acme\/app/ })).toBeVisible();
  const { items } = await system.get<{ items: Repository[] }>('/api/repositories');
  system.repositories.set('acme/app', items[0]!);
  system.forge.createWebhook('acme/app', {
    url: `${system.capstan.url}/hooks/github/${items[0]!.id}`,
    secret: system.webhookSecret,
    events: ['*'],
  });
});

async function wantApprovals(requiredApprovals: number): Promise<void> {
  const path = `/api/repositories/${system.repositories.get('acme/app')!.id}`;
  const { version } = await system.get<Repository>(path);
  await system.capstan.call('PATCH', path, { version, requiredApprovals });
}

test('a ticket moves over the board from Queued to Done without a reload', async () => {
  await system.capstan.call('PATCH', '/api/workspace', { paused: true });
  await page.goto('/');
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));
  await expect(page.getByText('Paused', { exact: true })).toBeVisible();
  const title = 'The sum is off by one';
  const held = ['name moving', 'hold moving', ...change('moving').slice(1)];
  await system.ticket(title, held);
  await expect(card('Queued', title)).toContainText('acme/app#1');
  await expect(card('Queued', title)).toContainText('no. 1');
  for (const name of COLUMNS) await expect(column(name)).toBeVisible();
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect(card('Working', title)).toBeVisible({ timeout: 30_000 });
  // Without an approval, the card stays in review for as long as it takes to see it there.
  await wantApprovals(1);
  system.open('moving');
  await expect(card('In review', title)).toBeVisible({ timeout: 30_000 });
  await wantApprovals(0);
  await expect(card('Done', title)).toBeVisible({ timeout: 30_000 });
  expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true);
});

test('the form for a task says what is missing, and creates it', async () => {
  await page.getByRole('link', { name: 'New task' }).first().click();
  await page.getByLabel('Title').fill('');
  await page.getByLabel('Priority').fill('-3');
  await page.getByRole('button', { name: 'Create the task' }).click();
  await expect(page.getByText('Say in one line what is to be done')).toBeVisible();
  await expect(page.getByLabel('Priority')).toHaveAttribute('aria-invalid', 'true');
  await page.getByLabel('Repository').selectOption({ label: 'acme/app' });
  await page.getByLabel('Priority').fill('5');
  await page.getByLabel('Title').fill('Talk while working');
  await page
    .getByLabel('What is to be done')
    .fill(
      [
        'name talking',
        'say {"type":"text","text":"First I look around."}',
        'say {"type":"tool_use","id":"c1","tool":"shell","input":{"command":"npm test"}}',
        'say {"type":"tool_result","id":"c1","text":"a needle in the output\\nsecond line"}',
        'tick talking 25',
        ...change('talking').slice(1),
      ]
        .map((line) => `do: ${line}`)
        .join('\n'),
    );
  await page.getByRole('button', { name: 'Create the task' }).click();
  await expect(page).toHaveURL(/\/tasks\//);
  await expect(page.getByRole('heading', { name: 'Talk while working' })).toBeVisible();
});

test('a task shows its life, its log as it grows, folded tool calls, and finds text in them', async () => {
  const log = page.getByRole('log', { name: 'Log of the run' });
  await expect(log).toBeVisible({ timeout: 30_000 });
  await expect(page.getByTestId('log-status')).toHaveText(/\d+ lines/, { timeout: 30_000 });
  const before = await lineCount();
  await expect.poll(lineCount).toBeGreaterThan(before + 50);
  for (const words of ['Created', 'Placed on', 'The agent was started'])
    await expect(page.getByText(words, { exact: false }).first()).toBeVisible();

  await page.getByRole('switch', { name: 'Follow' }).click();
  await page.getByRole('searchbox', { name: 'Search the log' }).fill('needle');
  await expect(page.getByTestId('log-matches')).toHaveText('1 of 1');
  await expect(log.getByText('in the output')).toBeVisible(); // the fold opened for it
  const fold = log.getByRole('button', { name: /shell npm test/ });
  await expect(fold).toHaveAttribute('aria-expanded', 'true');
  await page.getByRole('searchbox', { name: 'Search the log' }).fill('');
  await fold.click();
  await expect(fold).toHaveAttribute('aria-expanded', 'false');
  await expect(log.getByText('in the output')).toBeHidden();
  await screens('task-at-work');
});

test('tells when the gateway is gone, and misses no line when it is back', async () => {
  await page.getByRole('switch', { name: 'Follow' }).click();
  const before = await lineCount();
  process.kill(system.capstan.hostPid, 'SIGKILL');
  await expect(indicator()).toHaveAccessibleName('Connection: Offline: gateway');
  await expect(indicator()).toHaveAccessibleName('Connection: Live', { timeout: 45_000 });
  await expect.poll(lineCount, { timeout: 30_000 }).toBeGreaterThan(before + 100);
  system.open('talking');
  await expect(page.getByTestId('log-status')).toHaveText(/complete/, { timeout: 45_000 });
  await page.getByRole('button', { name: 'Copy the whole log' }).click();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  const lines = text.split('\n').filter((line) => /^line \d+$/.test(line));
  const printed = Number(/^printed (\d+)$/m.exec(text)?.[1]);
  expect(printed).toBeGreaterThan(150);
  expect(lines).toEqual(Array.from({ length: printed }, (_, index) => `line ${index + 1}`));
  await expect(page.getByText('Merged').first()).toBeVisible({ timeout: 45_000 });
});

test('cancels from the task page, after asking', async () => {
  const task = await system.task('Not needed after all', ['name unneeded', 'hold never']);
  await page.goto(`/tasks/${task.shortId}`);
  await system.agent('unneeded');
  await page.getByRole('button', { name: 'Cancel', exact: true }).click();
  const dialog = page.getByRole('alertdialog');
  await expect(dialog).toBeVisible();
  await dialog
    .getByRole('button', { name: /cancel/i })
    .last()
    .click();
  await expect(page.getByText('Cancelled').first()).toBeVisible({ timeout: 30_000 });
  expect((await system.untilState(task.id, 'cancelled')).agentUnconfirmed).toBe(false);
});

test('is reached by keyboard alone', async () => {
  await page.goto('/');
  await expect(card('Done', 'The sum is off by one')).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'To the content' })).toBeFocused();
  await page.keyboard.press('j');
  await expect(page.locator('[data-card]:focus')).toHaveCount(1);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/tasks\//);
  await page.keyboard.press('g');
  await page.keyboard.press('b');
  await expect(page.getByRole('heading', { name: 'Board', level: 1 })).toBeAttached();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox', { name: 'Search tasks' })).toBeFocused();
  await page.keyboard.type('off by one');
  await expect(card('Done', 'Talk while working')).toBeHidden();
  await expect(card('Done', 'The sum is off by one')).toBeVisible();
});

test('every control of every page has a name', async () => {
  for (const path of await places()) {
    await page.goto(path);
    await expect(page.getByRole('main')).toBeVisible();
    await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('a[href], button, input, select, textarea, [role="switch"]')]
        .filter((element) => element.offsetParent !== null)
        .filter((element) => {
          const labels = (element as HTMLInputElement).labels;
          const name =
            element.getAttribute('aria-label') ??
            (element.getAttribute('aria-labelledby') ? 'labelled' : null) ??
            (labels && labels.length > 0 ? labels[0]!.textContent : null) ??
            element.textContent;
          return (name ?? '').trim() === '' && !element.title;
        })
        .map((element) => element.outerHTML.slice(0, 160)),
    );
    expect({ path, nameless }).toEqual({ path, nameless: [] });
    await expect(page).toHaveTitle(/Capstan/);
  }
});

test('fits into 390 px, light and dark', async () => {
  await system.task(
    'A title that is long enough to have to wrap on a narrow screen, with aVeryLongWordThatCanNotBeBrokenAnywhere',
    ['name wide', 'hold never'],
  );
  for (const path of await places()) {
    await page.goto(path);
    for (const width of [390, 1440]) {
      await page.setViewportSize({ width, height: 844 });
      await expect(page.getByRole('main')).toBeVisible();
      await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
      const overhang = () =>
        page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      await expect.poll(overhang, { message: `${path} at ${width} px` }).toBeLessThanOrEqual(0);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto('/');
  for (const theme of ['Dark', 'Light']) {
    await page.getByRole('button', { name: /^Theme/ }).click();
    await page.getByRole('menuitemradio', { name: theme }).click();
    await expect(page.locator('html')).toHaveAttribute('data-theme', theme.toLowerCase());
    await page.reload();
    await expect(page.locator('html')).toHaveAttribute('data-theme', theme.toLowerCase());
  }
  await screens('board');
  const { items } = await system.get<{ items: Task[] }>('/api/tasks?search=Talk');
  await page.goto(`/tasks/${items[0]!.shortId}`);
  await screens('task');
});

test('the browser had nothing to complain of', () => {
  expect(faults).toEqual([]);
});

async function lineCount(): Promise<number> {
  const text = (await page.getByTestId('log-status').textContent()) ?? '';
  return Number(/([\d,]+) lines?/.exec(text)?.[1]?.replaceAll(',', '') ?? 0);
}

async function places(): Promise<readonly string[]> {
  const { items } = await system.get<{ items: Task[] }>('/api/tasks?limit=200');
  const done = items.find(({ state }) => state === 'completed')!;
  return ['/', `/tasks/${done.shortId}`, '/new', '/repositories', '/pods', '/settings'];
}

/** What is on the page, at both widths, light and dark. */
async function screens(name: string): Promise<void> {
  for (const width of [1440, 390])
    for (const theme of ['light', 'dark']) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await page.evaluate((value) => (document.documentElement.dataset['theme'] = value), theme);
      await expect(page.getByRole('main')).toBeVisible();
      await page.screenshot({ path: `${SCREENS}/${name}-${width}-${theme}.png` });
    }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.evaluate(() => (document.documentElement.dataset['theme'] = 'light'));
}
