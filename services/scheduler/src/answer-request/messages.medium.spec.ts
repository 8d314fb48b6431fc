import type { TaskRequestKind } from '@capstan/domain';
import {
  Database,
  migrate,
  newId,
  requestOfTask,
  type RunCommand,
  type Task,
  type TaskRequest,
} from '@capstan/database';
import {
  SPEC,
  aPod,
  aPullRequest,
  aRepository,
  aRun,
  aTask,
  aWorker,
  readTask,
  testDatabase,
} from '@capstan/test-support';
import { advanceTask } from '../advance-task/advance-task.apply.js';
import { dueAdvances } from '../advance-task/advance-task.loop.js';
import { explainWaiting } from '../explain-waiting/explain-waiting.apply.js';
import { placeTasks } from '../place-task/place-task.apply.js';
import { answerRequest } from './answer-request.apply.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
});
afterAll(async () => {
  await database.close();
  await server.close();
});
beforeEach(async () => {
  await database.query('truncate workspace, worker, outbox cascade');
  await aWorker(database);
});

const advance = (task: { id: string }) => advanceTask(database, task.id, () => 0.5);
const rowOf = async (id: string) =>
  (await database.query<TaskRequest>('select * from task_request where id = $1', [id]))[0]!;
const commands = () => database.query<RunCommand>('select * from run_command order by created_at, id');
const finish = (runId: string, outcome: object) =>
  database.query(`update run set state = 'finished', outcome = $2, finished_at = now() where id = $1`, [
    runId,
    JSON.stringify(outcome),
  ]);

async function ask(
  task: { id: string; workspaceId: string },
  kind: TaskRequestKind,
  args: Record<string, unknown> = {},
) {
  const { id } = await database.transaction((tx) =>
    requestOfTask(tx, { workspaceId: task.workspaceId, taskId: task.id, kind, arguments: args, actor: SPEC }),
  );
  await answerRequest(database, id);
  return id;
}
/** As the run's driver does. */
async function driverSays(id: string, answer: object): Promise<void> {
  await database.query('update run_command set answered_at = now(), answer = $2 where id = $1', [
    id,
    JSON.stringify(answer),
  ]);
  await answerRequest(database, id);
}
const causes = async (task: { id: string }) =>
  (
    await database.query<{ cause: string; actor: { id: string } }>(
      'select cause, actor from task_event where task_id = $1 order by at, id',
      [task.id],
    )
  ).map(({ cause, actor }) => `${cause} (${actor.id})`);
async function runsOf(task: { id: string }) {
  return database.query<{ id: string; reason: string }>(
    'select id, reason from run where task_id = $1 order by number',
    [task.id],
  );
}

describe('a message', () => {
  it('is said to the agent at work once, and answered when it has it', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, { taskState: 'running', state: 'running' });
    const id = await ask(task, 'message', { text: 'Use integers.' });
    await answerRequest(database, id);
    expect(await commands()).toMatchObject([{ id, runId: run.id, kind: 'message', text: 'Use integers.' }]);
    expect((await rowOf(id)).answer).toBeNull();
    await driverSays(id, { accepted: true });
    expect(await rowOf(id)).toMatchObject({ answer: { applied: true, code: 'delivered' }, givenRunId: run.id });
    expect(await causes(task)).toContain('Message: Use integers. (spec)');
    // Nothing of it is left for a later run.
    await finish(run.id, { kind: 'no_changes', detail: 'x', symptom: 'no_changes' });
    await advance(task);
    expect(await readTask(database, task.id)).toMatchObject({ state: 'needs_attention' });
  });

  it('that the agent can not hear gets a run of its own, once, with all that was written', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, { taskState: 'running', state: 'running' });
    const first = await ask(task, 'message', { text: 'one' });
    const second = await ask(task, 'message', { text: 'two' });
    for (const id of [first, second]) await driverSays(id, { accepted: false, refusal: 'unsupported' });
    expect((await rowOf(first)).answer).toMatchObject({ applied: true, code: 'kept' });
    await finish(run.id, { kind: 'no_changes', detail: 'x', symptom: 'no_changes' });
    await advance(task);
    expect(await readTask(database, task.id)).toMatchObject({ state: 'queued', runReason: 'message' });
    await placeTasks(database, 5);
    const [, next] = await runsOf(task);
    expect(next).toMatchObject({ reason: 'message' });
    for (const id of [first, second]) expect(await rowOf(id)).toMatchObject({ givenRunId: next!.id });
    await finish(next!.id, { kind: 'no_changes', detail: 'x', symptom: 'no_changes' });
    await database.query(`update task set state = 'running' where id = $1`, [task.id]);
    await advance(task);
    expect(await readTask(database, task.id)).toMatchObject({ state: 'needs_attention' });
  });

  it('sends the agent back in when the pull request is open, also one that came while it was being published', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, { taskState: 'running', state: 'running' });
    const id = await ask(task, 'message', { text: 'one' });
    await finish(run.id, { kind: 'commits', detail: '1 commit', head: 'abc' });
    await aPullRequest(database, run, { state: 'open' });
    await driverSays(id, { accepted: false, refusal: 'ended' });
    expect((await rowOf(id)).answer).toMatchObject({ applied: true, code: 'kept' });
    await advance(task);
    expect(await readTask(database, task.id)).toMatchObject({ state: 'queued', runReason: 'message' });
    expect((await causes(task)).filter((cause) => cause.startsWith('A message waits'))).toHaveLength(1);
  });

  it('that nobody was woken for is found by the resync', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, {
      taskState: 'pr_opened',
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
    });
    await aPullRequest(database, run, { state: 'open' });
    expect(await dueAdvances(database, 10)).toEqual([]);
    await database.query(
      `insert into task_request (id, workspace_id, task_id, kind, arguments, actor, answered_at, answer)
       values ($1,$2,$3,'message','{"text":"x"}','{"kind":"user","id":"ada"}',now(),'{"applied":true,"code":"kept","detail":"x"}')`,
      [newId(), task.workspaceId, task.id],
    );
    expect(await dueAdvances(database, 10)).toMatchObject([{ id: task.id }]);
  });

  it('goes into the prompt of a run that is placed and not leased yet', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, { taskState: 'provisioning', state: 'placed' });
    const id = await ask(task, 'message', { text: 'one' });
    expect(await rowOf(id)).toMatchObject({ givenRunId: run.id, answer: { applied: true } });
    expect(await commands()).toEqual([]);
  });

  it('that a lost run was told is told to its retry', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, { taskState: 'running', state: 'running' });
    const id = await ask(task, 'message', { text: 'one' });
    await driverSays(id, { accepted: true });
    await finish(run.id, { kind: 'lost', detail: 'gone', symptom: 'run_lost' });
    await advance(task);
    expect(await rowOf(id)).toMatchObject({ givenRunId: null });
    await database.query('update task set not_before = null');
    await placeTasks(database, 5);
    expect(await rowOf(id)).toMatchObject({ givenRunId: (await runsOf(task)).at(-1)!.id });
  });

  it('is forgotten with the work when that is started over', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, {
      taskState: 'needs_attention',
      state: 'finished',
      outcome: { kind: 'no_changes', detail: 'x' },
    });
    const id = await ask(task, 'message', { text: 'one' });
    expect(await readTask(database, task.id)).toMatchObject({ state: 'queued', runReason: 'message' });
    await database.query(`update task set state = 'provisioning' where id = $1`, [task.id]);
    await database.query(`update task set state = 'running' where id = $1`, [task.id]);
    await database.query(`update task set state = 'needs_attention' where id = $1`, [task.id]);
    await ask(task, 'force_redo');
    expect(await rowOf(id)).toMatchObject({ givenRunId: run.id });
  });

  it('and an interrupt of which nobody heard are answered when the run is over', async () => {
    const repository = await aRepository(database);
    const { task, run } = await aRun(database, repository, { taskState: 'running', state: 'running' });
    const message = await ask(task, 'message', { text: 'one' });
    const interrupt = await ask(task, 'interrupt');
    await finish(run.id, { kind: 'failed', detail: 'x', symptom: 'agent_exited' });
    await answerRequest(database, message);
    await answerRequest(database, interrupt);
    expect((await rowOf(message)).answer).toMatchObject({ applied: true, code: 'kept' });
    expect((await rowOf(interrupt)).answer).toMatchObject({ applied: false });
  });
});

describe('money', () => {
  const spend = (runId: string, costUsd: string) =>
    database.query('update run set cost_usd = $2 where id = $1', [runId, costUsd]);
  const aSpender = async () => {
    const repository = await aRepository(database, { maxCostUsd: '1' });
    const { task, run } = await aRun(database, repository, {
      taskState: 'needs_attention',
      state: 'finished',
      outcome: { kind: 'limit_reached', detail: 'x', symptom: 'cost_limit' },
    });
    await spend(run.id, '1.25');
    return { repository, task, run };
  };

  it('that is spent refuses a retry by name, until the limit is raised', async () => {
    const { task } = await aSpender();
    const refused = await rowOf(await ask(task, 'retry'));
    expect(refused.answer).toMatchObject({
      applied: false,
      code: 'cost_limit',
      detail: expect.stringContaining('$1.25 of $1.00') as string,
    });
    await ask(task, 'set_limits', { limits: { maxCostUsd: 2, maxTurns: 5 } });
    await ask(task, 'set_limits', { limits: { maxTurns: null } });
    expect((await readTask(database, task.id)).limits).toEqual({ maxCostUsd: 2 });
    expect((await rowOf(await ask(task, 'retry'))).answer).toMatchObject({ applied: true });
  });

  it('that is spent holds a queued task back, in words, and lets it go when there is more', async () => {
    const { task } = await aSpender();
    await database.query(`update task set state = 'queued', attention = null where id = $1`, [task.id]);
    expect(await placeTasks(database, 5)).toMatchObject({ count: 0 });
    await explainWaiting(database, 5);
    expect((await readTask(database, task.id)).waiting).toMatchObject({
      code: 'money_spent',
      detail: 'The task has cost $1.25 of $1.00',
    });
    await ask(task, 'set_limits', { limits: { maxCostUsd: 1.5 } });
    expect(await placeTasks(database, 5)).toMatchObject({ count: 1 });
    const [run] = await database.query<{ limits: object }>(`select limits from run where state = 'placed'`);
    expect(run!.limits).toMatchObject({ maxCostUsd: 1.5, maxTurns: 250 });
  });
});

it('a pause places nothing, and says who paused and since when', async () => {
  const repository = await aRepository(database);
  const task: Task = await aTask(database, repository);
  await aPod(database, repository);
  await database.query(
    `update workspace set paused_at = '2026-05-01T12:34:00Z', paused_by = '{"kind":"user","id":"ada"}' where id = $1`,
    [repository.workspaceId],
  );
  expect(await placeTasks(database, 5)).toMatchObject({ count: 0 });
  await explainWaiting(database, 5);
  expect((await readTask(database, task.id)).waiting).toMatchObject({
    code: 'paused',
    detail: 'Paused by ada since 12:34 UTC',
  });
  await database.query('update workspace set paused_at = null, paused_by = null');
  expect(await placeTasks(database, 5)).toMatchObject({ count: 1 });
});
