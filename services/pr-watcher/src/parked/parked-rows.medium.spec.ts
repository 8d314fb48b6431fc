import { ParkedRequests, openLogger } from '@capstan/service-kit';
import type { Effect, PullRequest, Task } from '@capstan/database';
import type { EffectKind, ParkedKind } from '@capstan/domain';
import { aPullRequest, aRun, askOfParked, eventually, park, parkedIn, readTask } from '@capstan/test-support';
import { NAME, Stage } from '../stage.fixture.js';
import type { Watcher } from '../watcher.js';

jest.setTimeout(120_000);

let stage: Stage;
afterEach(() => stage.close());

const FIX = { 'src/sum.js': 'export const sum = (a, b) => a + b;\n' };
const logger = openLogger({ format: 'text', level: 'silent' });

const ask = (watcher: Watcher, action: 'replay' | 'drop', kind: ParkedKind, id: string, effectKind?: EffectKind) => {
  const owner = new ParkedRequests({ database: stage.database, logger, owner: 'pr-watcher', verbs: watcher.parked });
  const row = { workspaceId: stage.repository.workspaceId, kind, rowId: id, action };
  return askOfParked(stage.database, owner, { ...row, ...(effectKind === undefined ? {} : { effectKind }) });
};
const effectOf = async (task: Task, kind: EffectKind): Promise<Effect> =>
  (await stage.database.query<Effect>('select * from effect where task_id = $1 and kind = $2', [task.id, kind]))[0]!;

/** What the scheduler makes of a refused publication. */
async function needsAPerson(task: Task): Promise<void> {
  await stage.database.query(
    `update task set state = 'needs_attention', attention = '{"code":"effect_parked","detail":"x"}' where id = $1`,
    [task.id],
  );
}

/** Effects of a kind are parked from their beginning, as if every try had failed. */
async function parkEachNew(kind: EffectKind): Promise<void> {
  await stage.database.query(`create function hold() returns trigger language plpgsql as $$ begin
    new.attempts := 8; new.parked_at := now(); new.last_error := 'the forge was away'; return new; end $$`);
  await stage.database.query(
    `create trigger hold before insert on effect for each row when (new.kind = '${kind}') execute function hold()`,
  );
}

/** A finished run whose push failed at its cap, and whose task is with a person for it. */
async function aParkedPush(): Promise<{ watcher: Watcher; task: Task; push: Effect; row: PullRequest }> {
  stage = await Stage.open();
  const worktree = await (await stage.worktree('capstan/1-fix')).commit(FIX);
  const { task } = await stage.finishedRun(worktree);
  await parkEachNew('push_branch');
  const watcher = stage.startReplica();
  await eventually(async () => (await effectOf(task, 'push_branch')) !== undefined, 20_000);
  await stage.database.query('update pull_request set next_check_at = now()');
  const row = await stage.pullRequest(task.id, ({ state }) => state === 'refused', 20_000);
  expect(row.refusal).toEqual({ code: 'effect_parked', detail: 'Could not push the branch: the forge was away' });
  await needsAPerson(task);
  const push = await effectOf(task, 'push_branch');
  // One trouble is one line of the list.
  expect(await parkedIn(stage.database)).toEqual([{ kind: 'effect', id: push.id }]);
  return { watcher, task, push, row };
}

describe('a parked push', () => {
  it('goes on to the open pull request at once when it is replayed, once', async () => {
    const { watcher, task, push } = await aParkedPush();
    expect(await ask(watcher, 'replay', 'effect', push.id, 'push_branch')).toMatchObject({ applied: true });
    const open = await stage.pullRequest(task.id, ({ state }) => state === 'open', 20_000);
    expect(open).toMatchObject({ refusal: null, parkedAt: null, number: expect.any(Number) as number });
    expect(await ask(watcher, 'replay', 'effect', push.id, 'push_branch')).toMatchObject({ code: 'not_parked' });
    expect(stage.pushes()).toHaveLength(1);
    expect(await parkedIn(stage.database)).toEqual([]);
  });

  it('goes on as well when its pull request is replayed', async () => {
    const { watcher, task, row } = await aParkedPush();
    expect(await ask(watcher, 'replay', 'pull_request', row.id)).toMatchObject({ applied: true });
    await stage.pullRequest(task.id, ({ state }) => state === 'open', 20_000);
  });

  it('is recorded as dropped, and the pull request says so to the task', async () => {
    const { watcher, task, push } = await aParkedPush();
    const answer = await ask(watcher, 'drop', 'effect', push.id, 'push_branch');
    expect(answer).toMatchObject({ applied: true, code: 'dropped', detail: expect.stringContaining('not published') });
    expect(await effectOf(task, 'push_branch')).toMatchObject({ state: 'refused', result: { code: 'dropped' } });
    const row = await stage.pullRequest(task.id, ({ refusal }) => refusal?.code === 'dropped');
    expect(row).toMatchObject({ state: 'refused', parkedAt: null });
    expect(row.refusal!.detail).toBe('Dropped by a person: the effect had failed 8 times: the forge was away');
    expect(await ask(watcher, 'drop', 'effect', push.id, 'push_branch')).toMatchObject({ code: 'not_parked' });
    expect(await parkedIn(stage.database)).toEqual([]);
    expect(stage.pushes()).toEqual([]);
  });
});

describe('a parked merge', () => {
  const aParkedMerge = async () => {
    stage = await Stage.open();
    await parkEachNew('merge_pull_request');
    const watcher = stage.startReplica();
    const worktree = await (await stage.worktree('capstan/4-fix')).commit(FIX);
    const { task } = await stage.finishedRun(worktree);
    const { headSha } = await stage.pullRequest(task.id, ({ state }) => state === 'open', 20_000);
    await stage.database.query(`update task set state = 'pr_opened' where id = $1`, [task.id]);
    await stage.forge.actingAs('ci').setStatus(NAME, headSha!, 'test', 'success');
    await stage.lookNow(task.id);
    await eventually(async () => (await effectOf(task, 'merge_pull_request')) !== undefined, 20_000);
    await stage.lookNow(task.id);
    await stage.pullRequest(task.id, ({ refusal }) => refusal?.code === 'effect_parked', 20_000);
    await needsAPerson(task);
    return { watcher, task, merge: await effectOf(task, 'merge_pull_request') };
  };

  it('merges when it is replayed', async () => {
    const { watcher, task, merge } = await aParkedMerge();
    expect(await ask(watcher, 'replay', 'effect', merge.id, 'merge_pull_request')).toMatchObject({ applied: true });
    await stage.pullRequest(task.id, ({ state }) => state === 'merged', 30_000);
  });

  it('asks a person for good when it is dropped', async () => {
    const { watcher, task, merge } = await aParkedMerge();
    expect(await ask(watcher, 'drop', 'effect', merge.id, 'merge_pull_request')).toMatchObject({ applied: true });
    await stage.database.query(`update effect set settled_at = now() - interval '1 day' where id = $1`, [merge.id]);
    const before = (await stage.pullRequest(task.id, () => true)).lastCheckedAt!;
    await stage.lookNow(task.id);
    const row = await stage.pullRequest(task.id, ({ lastCheckedAt }) => lastCheckedAt! > before, 20_000);
    expect(row).toMatchObject({ state: 'open', refusal: { code: 'dropped' } });
    expect(stage.writes().filter((write) => write.endsWith('/merge'))).toEqual([]);
  });
});

describe('a parked pull request', () => {
  it('that is open is followed again by a replay, and not dropped', async () => {
    stage = await Stage.open();
    const { run, task } = await aRun(stage.database, stage.repository, {
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x', head: 'a', base: 'b', commitCount: 1 },
      taskState: 'pr_opened',
    });
    const row = await aPullRequest(stage.database, run, { state: 'open', number: 77 });
    await park(stage.database, 'pull_request', row.id);
    const watcher = stage.startReplica();
    const refused = await ask(watcher, 'drop', 'pull_request', row.id);
    expect(refused).toMatchObject({ applied: false, code: 'drop_refused', remedy: expect.stringContaining('Replay') });
    expect(await parkedIn(stage.database)).toEqual([{ kind: 'pull_request', id: row.id }]);
    expect(await ask(watcher, 'replay', 'pull_request', row.id)).toMatchObject({ applied: true });
    await stage.pullRequest(task.id, ({ lastCheckedAt }) => lastCheckedAt !== null, 20_000);
    expect((await readTask(stage.database, task.id)).state).toBe('pr_opened');
  });

  it('whose work could not be fetched is published by a replay', async () => {
    stage = await Stage.open();
    const worktree = await (await stage.worktree('capstan/6-fix')).commit(FIX);
    const { run, task } = await stage.finishedRun(worktree);
    const bundle = stage.bundles.get(run.id)!;
    stage.bundles.set(run.id, () => Promise.reject(new Error('the connection broke')));
    const watcher = stage.startReplica();
    await stage.pullRequest(task.id, ({ attempts }) => attempts > 0);
    await eventually(async () => {
      await stage.database.query(`update pull_request set next_check_at = now() where state = 'publishing'`);
      watcher.wakePublish();
      return (await parkedIn(stage.database)).length === 1;
    }, 30_000);
    const { id } = await stage.pullRequest(task.id, ({ state }) => state === 'refused');
    await needsAPerson(task);
    stage.bundles.set(run.id, bundle);
    expect(await ask(watcher, 'replay', 'pull_request', id)).toMatchObject({ applied: true });
    await stage.pullRequest(task.id, ({ state }) => state === 'open', 30_000);
  });
});
