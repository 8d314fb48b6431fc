import type { Effect } from '@capstan/database';
import { ForgeApp, newId } from '@capstan/database';
import { NAME, Stage } from '../stage.fixture.js';

jest.setTimeout(120_000);

const FIX = { 'src/sum.js': 'export const sum = (a, b) => a + b;\n' };
const SECRET = 'GITHUB_APP_1_KEY';
const PERMISSIONS = {
  contents: 'write',
  pull_requests: 'write',
  checks: 'write',
  statuses: 'read',
  issues: 'write',
} as const;

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

/** The repository is reached as an app, and by nobody's token. */
async function asApp(permissions: Readonly<Record<string, 'read' | 'write'>> = PERMISSIONS) {
  const { app, pem } = stage.forge.apps.create({ owner: 'acme', name: 'Capstan', permissions });
  stage.forge.apps.install(app.slug, 'acme', [NAME]);
  const { workspaceId, apiUrl, id: repositoryId } = stage.repository;
  await stage.database.transaction(async (tx) => {
    await tx.insert(ForgeApp, {
      ...{ id: newId(), workspaceId, forge: 'github', apiUrl, appId: app.id, slug: app.slug, name: app.name },
      ...{ owner: 'acme', url: '', credentialSecret: SECRET, webhookSecret: null },
    });
    await stage.vault.put(tx, { workspaceId, repositoryId: null, name: SECRET }, pem);
    await tx.query('update repository set credential_secret = $2 where id = $1', [repositoryId, SECRET]);
  });
  return app;
}

async function published(branch: string) {
  const worktree = await (await stage.worktree(branch)).commit(FIX);
  const { task } = await stage.finishedRun(worktree);
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'open' || state === 'refused');
  return { task, row, head: await worktree.head() };
}

const effects = (taskId: string) =>
  stage.database.query<Effect>(`select * from effect where task_id = $1 and kind = 'report_head'`, [taskId]);

async function checkRuns(sha: string) {
  const answer = await fetch(`${stage.forge.apiUrl}/repos/${NAME}/commits/${sha}/check-runs?filter=all`);
  return ((await answer.json()) as { check_runs: { name: string; details_url: string; conclusion: string }[] })
    .check_runs;
}

it('says on the head whose work it is, once, though the answer is lost, and merges by the checks of others alone', async () => {
  const { slug } = await asApp();
  stage.forge.inject({ method: 'POST', path: /\/check-runs$/, afterExecution: true });
  stage.startReplica();
  stage.startReplica();
  const { task, row, head } = await published('capstan/1-fix');
  const [effect] = await effects(task.id);
  expect(await stage.settled(effect!.id)).toMatchObject({ state: 'done', remoteId: expect.any(String) as string });
  expect(await checkRuns(head)).toMatchObject([
    { name: 'Capstan', conclusion: 'neutral', details_url: `https://capstan.test/tasks/${task.id}` },
  ]);
  await stage.lookNow(task.id);
  const looked = await stage.pullRequest(task.id, ({ lastCheckedAt }) => lastCheckedAt !== null);
  expect(looked).toMatchObject({ state: 'open', checks: 'none' });
  await stage.forge.actingAs('ci').setStatus(NAME, head, 'test', 'success');
  await stage.lookNow(task.id);
  await stage.pullRequest(task.id, ({ state }) => state === 'merged');
  const names = await stage.database.query('select name from "check" where pull_request_id = $1', [row.id]);
  expect(names).toEqual([{ name: 'test' }]);
  const wrote = stage.forge.journal.flatMap((entry) =>
    entry.kind === 'request' && entry.method !== 'GET' && !entry.path.endsWith('git-upload-pack') ? [entry.login] : [],
  );
  expect(new Set(wrote)).toEqual(new Set([null, `${slug}[bot]`])); // null: the app as itself, for its tokens
  expect(stage.forge.faultsOfOurs).toEqual([]);
});

it('is not asked for where Capstan acts as a person', async () => {
  stage.startReplica();
  const { task } = await published('capstan/2-fix');
  expect(await effects(task.id)).toEqual([]);
});

it('holds nothing up where the app may not report', async () => {
  const { checks: _checks, ...fewer } = PERMISSIONS;
  await asApp({ ...fewer, checks: 'read' });
  stage.startReplica();
  const { task, row } = await published('capstan/3-fix');
  const [effect] = await effects(task.id);
  expect(await stage.settled(effect!.id)).toMatchObject({
    state: 'refused',
    result: { code: 'app_permission_missing', remedy: expect.stringContaining('Checks: Read and write') as string },
  });
  expect(row).toMatchObject({ state: 'open', refusal: null });
});

it('tells a person what the app lacks where the work itself cannot be published', async () => {
  const app = await asApp();
  stage.forge.apps.suspend(app.slug, 'acme', true);
  stage.startReplica();
  const { row } = await published('capstan/4-fix');
  expect(row).toMatchObject({ state: 'refused', refusal: { code: 'app_suspended' } });
  expect(row.refusal?.detail).toContain('Unsuspend');
});
