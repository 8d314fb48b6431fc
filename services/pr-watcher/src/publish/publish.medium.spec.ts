import { aPullRequest, eventually } from '@capstan/test-support';
import { ForgeAccess } from '../forge-access.js';
import { NAME, Stage } from '../stage.fixture.js';
import { requestOpen, requestPush } from './publish.apply.js';
import { pushKey, readPublish } from './publish.snapshot.js';

jest.setTimeout(120_000);

let stage: Stage;
afterEach(() => stage.close());

/** What git asked the forge for. */
const gitRequests = () =>
  stage.forge.journal.filter((entry) => entry.kind === 'request' && entry.path.startsWith(`/${NAME}.git/`));

const FIX = { 'src/sum.js': 'export const sum = (a, b) => a + b;\n' };

it('takes commits to a merged pull request, once, with two replicas and every answer lost', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/1-fix')).commit(FIX);
  const { task } = await stage.finishedRun(worktree);
  stage.forge.inject({ method: 'POST', path: `/${NAME}.git/git-receive-pack`, afterExecution: true });
  stage.forge.inject({ method: 'POST', path: `/repos/${NAME}/pulls`, afterExecution: true });
  stage.forge.inject({ method: 'PUT', path: /\/pulls\/\d+\/merge$/, afterExecution: true });
  stage.startReplica();
  stage.startReplica();
  const head = await worktree.head();
  const open = await stage.pullRequest(task.id, ({ state }) => state === 'open');
  expect(open).toMatchObject({ number: expect.any(Number) as number, pushedSha: head, headSha: head, refusal: null });
  await stage.forge.actingAs('ci').setStatus(NAME, head, 'test', 'success');
  await stage.lookNow(task.id);
  const merged = await stage.pullRequest(task.id, ({ state }) => state === 'merged', 30_000);
  expect(merged.mergeCommit).toMatch(/^[0-9a-f]{40}$/);
  expect(stage.pushes().filter(({ ref }) => ref === 'refs/heads/capstan/1-fix')).toMatchObject([{ after: head }]);
  const done = stage.forge.journal.filter(
    (entry) => entry.kind === 'request' && entry.method !== 'GET' && !entry.path.includes('/git-'),
  );
  expect(done.map((entry) => (entry.kind === 'request' ? [entry.method, entry.status] : []))).toEqual([
    ['POST', 0],
    ['PUT', 0],
  ]);
  expect(stage.forge.faultsOfOurs).toEqual([]);
});

it('gives everybody who asks for the same commits at once the same answer', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/5-fix')).commit(FIX);
  const { run } = await stage.finishedRun(worktree);
  const repository = await new ForgeAccess(stage.database, stage.vault).of(stage.repository.id, 'fetch');
  const intake = stage.intake();
  const { run: wanted } = (await readPublish(stage.database, run.id))!;
  const answers = await Promise.all(Array.from({ length: 6 }, () => intake.prepare(repository, wanted)));
  expect(answers).toEqual(answers.map(() => ({ kind: 'publish', head: run.headSha })));
  expect(await intake.prepare(repository, wanted)).toEqual(answers[0]);
});

it('asks the forge for the base once, however many runs began from it or before', async () => {
  stage = await Stage.open();
  const older = await (await stage.worktree('capstan/6-older')).commit(FIX);
  const runOf = async (worktree: typeof older) => {
    const { run } = await stage.finishedRun(worktree);
    return (await readPublish(stage.database, run.id))!.run;
  };
  const moveMain = () => stage.forge.actingAs('ada').pushFile(NAME, 'main', 'moved.txt', `${Math.random()}\n`);
  await moveMain();
  const newer = await (await stage.worktree('capstan/6-newer')).commit(FIX);
  await moveMain();
  const newest = await (await stage.worktree('capstan/6-newest')).commit(FIX);
  const repository = await new ForgeAccess(stage.database, stage.vault).of(stage.repository.id, 'fetch');
  const intake = stage.intake();
  expect(await intake.prepare(repository, await runOf(newer))).toMatchObject({ kind: 'publish' });
  const fetched = gitRequests().length;
  expect(await intake.prepare(repository, await runOf(older))).toMatchObject({ kind: 'publish' });
  expect(await intake.prepare(repository, await runOf(newest))).toMatchObject({ kind: 'publish' });
  expect(gitRequests()).toHaveLength(fetched);
  await moveMain();
  const last = await (await stage.worktree('capstan/6-last')).commit(FIX);
  const wanted = await runOf(last);
  const before = gitRequests().length;
  expect(await intake.prepare(repository, wanted)).toMatchObject({ kind: 'publish' });
  expect(gitRequests().length).toBeGreaterThan(before);
});

it('writes what the work is for into the pull request', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/2-fix')).commit(FIX, 'Add instead of subtract, closes #99 `x`');
  const { task } = await stage.finishedRun(worktree);
  stage.startReplica();
  await stage.pullRequest(task.id, ({ state }) => state === 'open');
  const opened = stage.forge.journal.find(
    (entry) => entry.kind === 'request' && entry.method === 'POST' && entry.path.endsWith('/pulls'),
  );
  expect(opened).toMatchObject({ body: { title: 'Make it so', head: 'capstan/2-fix', base: 'main' } });
  const body = (opened as { body: { body: string } }).body.body;
  expect(body).toContain("- `Add instead of subtract, closes #99 'x'`");
  expect(body).toContain(`<!-- capstan:task:${task.id} -->`);
});

it('pushes a later run to the same branch and pull request', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/3-fix')).commit(FIX);
  const { task } = await stage.finishedRun(worktree);
  stage.startReplica();
  const first = await stage.pullRequest(task.id, ({ state }) => state === 'open');
  await stage.forge.actingAs('ci').setStatus(NAME, first.headSha!, 'test', 'failure');
  await stage.lookNow(task.id);
  const red = await stage.pullRequest(task.id, ({ refusal }) => refusal?.code === 'ci_failed');
  expect(red).toMatchObject({ state: 'open', checks: 'red' });
  expect(red.refusal!.detail.startsWith(first.headSha!)).toBe(true);
  await worktree.commit({ 'src/more.js': 'export {};\n' });
  await stage.finishedRun(worktree, { task: { ...task, runCount: 1 }, number: 2 });
  const second = await stage.pullRequest(
    task.id,
    ({ state, pushedSha }) => state === 'open' && pushedSha !== first.pushedSha,
  );
  expect(second).toMatchObject({ id: first.id, number: first.number, headSha: await worktree.head(), refusal: null });
  expect(stage.writes().filter((each) => each.endsWith('/pulls'))).toHaveLength(1);
});

it('does not overwrite what somebody else pushed', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/4-fix')).commit(FIX);
  const foreign = await stage.forge.actingAs('ada').pushFile(NAME, 'capstan/4-fix', 'notes.txt', 'mine');
  const { task } = await stage.finishedRun(worktree);
  stage.startReplica();
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'refused');
  expect(row.refusal).toMatchObject({ code: 'foreign_head' });
  expect(row.refusal!.detail).toContain(foreign);
  expect(stage.pushes()).toEqual([]);
});

it('publishes nothing of a cancelled task', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/5-fix')).commit(FIX);
  const { task } = await stage.finishedRun(worktree);
  await stage.database.query(`update task set intent = 'cancel' where id = $1`, [task.id]);
  const watcher = stage.startReplica();
  await watcher.publish.begin(10);
  await watcher.publish.drain();
  expect(await stage.database.query('select id from pull_request')).toEqual([]);
  await stage.database.query('update task set intent = null where id = $1', [task.id]);
  await stage.pullRequest(task.id, ({ state }) => state === 'open');
});

it('opens no pull request for a task that was cancelled after the push', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/9-fix')).commit(FIX);
  const { run, task } = await stage.finishedRun(worktree);
  const head = await worktree.head();
  const row = await aPullRequest(stage.database, run, {
    state: 'publishing',
    number: null,
    pushedSha: head,
  });
  await stage.database.query(`update task set state = 'cancelled' where id = $1`, [task.id]);
  const { id } = await stage.database.transaction((tx) => requestOpen(tx, row, null));
  stage.startReplica();
  const effect = await stage.settled(id);
  expect(effect).toMatchObject({ state: 'refused', result: { code: 'superseded' } });
  expect(stage.writes()).toEqual([]);
});

it('is not held up by runs whose push waits for a forge', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/10-fix')).commit(FIX);
  for (let index = 0; index < 4; index += 1) {
    const { run } = await stage.finishedRun(worktree, { finishedAt: new Date(Date.now() - 60_000) });
    const { id } = await aPullRequest(stage.database, run, { state: 'publishing', number: null });
    await requestPush(stage.database, (await readPublish(stage.database, run.id))!.run, id);
  }
  await stage.database.query(`update effect set not_before = now() + interval '1 hour'`);
  await stage.database.query('update pull_request set next_check_at = now()');
  const { run } = await stage.finishedRun(worktree);
  stage.startReplica();
  await eventually(async () => {
    const [effect] = await stage.database.query('select 1 from effect where key = $1', [pushKey(run.id)]);
    return effect !== undefined;
  }, 20_000);
});

it('asks a pod that is away again, and tells a person at the cap', async () => {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/6-fix')).commit(FIX);
  const { run, task } = await stage.finishedRun(worktree);
  stage.bundles.set(run.id, () => Promise.reject(new Error('the connection broke')));
  const watcher = stage.startReplica();
  await stage.pullRequest(task.id, ({ attempts }) => attempts > 0);
  for (let attempt = 0; attempt < 10; attempt += 1) {
    await stage.database.query('update pull_request set next_check_at = now()');
    await watcher.publish.begin(10);
    await watcher.publish.drain();
  }
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'refused');
  expect(row.refusal).toMatchObject({ code: 'effect_parked' });
  expect(row).toMatchObject({ attempts: 8, lastError: 'the connection broke', parkedAt: expect.any(Date) as Date });
});

it('tells what the forge says against the pull request, and against the push', async () => {
  stage = await Stage.open();
  stage.startReplica();
  const body = { message: 'Validation Failed', errors: [{ message: 'No commits between main and the branch' }] };
  stage.forge.inject({ method: 'POST', path: `/repos/${NAME}/pulls`, status: 422, body });
  const first = await stage.finishedRun(await (await stage.worktree('capstan/7-fix')).commit(FIX));
  const unopened = await stage.pullRequest(first.task.id, ({ state }) => state === 'refused');
  expect(unopened.refusal).toMatchObject({ code: 'open_refused' });
  expect(unopened.refusal!.detail).toContain('No commits between');
  const { workspaceId, id: repositoryId } = stage.repository;
  const worktree = await (await stage.worktree('capstan/8-fix')).commit(FIX);
  const readOnly = stage.forge.createToken({ login: 'reader', permissions: 'read' });
  await stage.database.transaction((tx) =>
    stage.vault.put(tx, { workspaceId, repositoryId, name: 'GITHUB_TOKEN' }, readOnly),
  );
  const second = await stage.finishedRun(worktree);
  const unpushed = await stage.pullRequest(second.task.id, ({ state }) => state === 'refused');
  expect(unpushed.refusal).toMatchObject({ code: 'credential_refused' });
  expect(unpushed.refusal!.detail).toContain('GITHUB_TOKEN');
  expect(unpushed.refusal!.detail).not.toContain(readOnly);
});
