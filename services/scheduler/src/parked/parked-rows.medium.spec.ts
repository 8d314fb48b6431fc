import { ParkedRequests, openLogger } from '@capstan/service-kit';
import { Database, failRow, migrate, requestOfTask, type Task, type TaskRequest } from '@capstan/database';
import {
  SPEC,
  aPod,
  aPullRequest,
  aRepository,
  aRun,
  aTask,
  aWorker,
  askOfParked,
  park,
  parkedIn,
  readTask,
  testDatabase,
} from '@capstan/test-support';
import { advanceTask } from '../advance-task/advance-task.apply.js';
import { dueAdvances } from '../advance-task/advance-task.loop.js';
import { answerRequest } from '../answer-request/answer-request.apply.js';
import { placeTasks } from '../place-task/place-task.apply.js';
import { checkParked } from '../work-metrics.js';
import { parkedVerbs } from './parked-rows.apply.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let owner: ParkedRequests;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  const logger = openLogger({ format: 'text', level: 'silent' });
  const verbs = parkedVerbs({
    task: async (id) => {
      await placeTasks(database, 5);
      await advanceTask(database, id, () => 0.5);
    },
    request: async (id) => void (await answerRequest(database, id)),
  });
  owner = new ParkedRequests({ database, logger, owner: 'scheduler', verbs });
});
afterAll(async () => {
  await database.close();
  await server.close();
});
beforeEach(async () => {
  await database.query('truncate workspace, worker, outbox cascade');
  await aWorker(database);
});

const ask = ({ workspaceId, id: rowId }: { workspaceId: string; id: string }, action: 'replay' | 'drop') =>
  askOfParked(database, owner, { workspaceId, kind: 'task', rowId, action });
const causes = async (task: Task): Promise<string[]> =>
  (
    await database.query<{ cause: string }>('select cause from task_event where task_id = $1 order by at, id', [
      task.id,
    ])
  ).map(({ cause }) => cause);

describe('a parked task', () => {
  it('is left alone, listed, and placed at once when it is replayed, with its history', async () => {
    const task = await aTask(database, await aRepository(database));
    await park(database, 'task', task.id, 'the row was odd');
    expect((await placeTasks(database, 5)).count).toBe(0);
    expect(await parkedIn(database)).toEqual([{ kind: 'task', id: task.id }]);
    expect(await ask(task, 'replay')).toMatchObject({ applied: true, code: 'replayed' });
    expect(await readTask(database, task.id)).toMatchObject({
      state: 'provisioning',
      attempts: 0,
      parkedAt: null,
      lastError: 'the row was odd',
    });
    expect(await causes(task)).toContain('Replayed: The task goes on from where it stands');
    expect(await parkedIn(database)).toEqual([]);
  });

  it('is cancelled by a drop, and a second drop or a replay changes nothing', async () => {
    const task = await aTask(database, await aRepository(database));
    await park(database, 'task', task.id);
    expect(await ask(task, 'drop')).toMatchObject({ applied: true, code: 'dropped', detail: 'The task is cancelled' });
    const [request] = await database.query<TaskRequest>('select * from task_request');
    expect(await answerRequest(database, request!.id)).toBe('applied');
    const dropped = await readTask(database, task.id);
    expect(dropped).toMatchObject({ state: 'cancelled', parkedAt: null });
    expect((await causes(task)).at(-1)).toContain('Dropped by a person: the task had failed 8 times: boom');
    for (const action of ['drop', 'replay'] as const)
      expect(await ask(task, action)).toMatchObject({ applied: false, code: 'not_parked' });
    expect(await readTask(database, task.id)).toEqual(dropped);
  });

  it('is not dropped when its pull request is merged: a replay completes it', async () => {
    const { run, task } = await aRun(database, await aRepository(database), { taskState: 'pr_opened' });
    await aPullRequest(database, run, { state: 'merged' });
    await park(database, 'task', task.id);
    const refused = await ask(task, 'drop');
    expect(refused).toMatchObject({ applied: false, code: 'drop_refused', remedy: expect.stringContaining('Replay') });
    expect(await parkedIn(database)).toHaveLength(1);
    await ask(task, 'replay');
    expect((await readTask(database, task.id)).state).toBe('completed');
  });

  it('is taken up again by whoever acts on it', async () => {
    const task = await aTask(database, await aRepository(database));
    await database.query(`update task set state = 'cancelled'`);
    await park(database, 'task', task.id);
    const { id } = await database.transaction((tx) =>
      requestOfTask(tx, { workspaceId: task.workspaceId, taskId: task.id, kind: 'retry', actor: SPEC }),
    );
    await answerRequest(database, id);
    expect((await placeTasks(database, 5)).count).toBe(1);
  });

  it('had a back-off of its own: the one of the task and the one of its failing row leave each other alone', async () => {
    const repository = await aRepository(database);
    const { task } = await aRun(database, repository, { taskState: 'running', state: 'finished', outcome: LOST });
    const later = new Date(Date.now() + 3_600_000);
    await database.query('update task set not_before = $1', [later]);
    expect(await dueAdvances(database, 10)).toEqual([{ id: task.id }]);
    await failRow(database, 'task', task.id, new Error('odd'));
    expect(await readTask(database, task.id)).toMatchObject({ notBefore: later, attempts: 1 });
    expect(await dueAdvances(database, 10)).toEqual([]);
    await database.query(`update task set state = 'queued', not_before = null`);
    expect((await placeTasks(database, 5)).count).toBe(1);
  });
});

const LOST = { kind: 'lost', detail: 'gone' } as const;

describe('a parked request', () => {
  const aRequest = async () => {
    const task = await aTask(database, await aRepository(database));
    const { id } = await database.transaction((tx) =>
      requestOfTask(tx, { workspaceId: task.workspaceId, taskId: task.id, kind: 'cancel', actor: SPEC }),
    );
    await park(database, 'task_request', id);
    const row = { workspaceId: task.workspaceId, kind: 'task_request' as const, rowId: id };
    const read = async () => (await database.query<TaskRequest>('select * from task_request where id = $1', [id]))[0]!;
    return { task, row, read };
  };

  it('is answered at once when it is replayed', async () => {
    const { task, row, read } = await aRequest();
    expect(await parkedIn(database)).toEqual([{ kind: 'task_request', id: row.rowId }]);
    await askOfParked(database, owner, { ...row, action: 'replay' });
    expect((await read()).answer).toMatchObject({ applied: true });
    expect((await readTask(database, task.id)).state).toBe('cancelled');
  });

  it('gets the answer "dropped", and the task stays as it is', async () => {
    const { task, row, read } = await aRequest();
    await askOfParked(database, owner, { ...row, action: 'drop' });
    expect((await read()).answer).toMatchObject({ applied: false, code: 'dropped' });
    expect((await readTask(database, task.id)).state).toBe('queued');
    expect(await parkedIn(database)).toEqual([]);
  });
});

describe('what is parked', () => {
  it('gets no new work when it is a pod, and another pod is made only where there may be one', async () => {
    const one = await aRepository(database);
    const two = await aRepository(database, { maxPodInstances: 2 });
    for (const repository of [one, two]) {
      const pod = await aPod(database, repository);
      await park(database, 'pod', pod.id);
      await aTask(database, repository);
    }
    expect((await placeTasks(database, 5)).count).toBe(1);
    const [placed] = await database.query<{ repositoryId: string; ordinal: number }>(
      'select r.repository_id, p.ordinal from run r join pod p on p.id = r.pod_id',
    );
    expect(placed).toEqual({ repositoryId: two.id, ordinal: 1 });
    await database.query('update pod set parked_at = null');
    expect((await placeTasks(database, 5)).count).toBe(1);
  });

  it('is a warning of the health report while there is any', async () => {
    expect(await checkParked(database)).toBeNull();
    const task = await aTask(database, await aRepository(database));
    await park(database, 'task', task.id);
    expect(await checkParked(database)).toEqual({ code: 'rows_parked', reason: 'parked: 1 task' });
  });
});

it('goes on to its pull request when the write that stopped it was replayed, and only then', async () => {
  const { run, task } = await aRun(database, await aRepository(database), { taskState: 'needs_attention' });
  await database.query(`update run set state = 'finished', outcome = $1`, [LOST]);
  const attention = (code: string) => database.query('update task set attention = $1', [{ code, detail: 'x' }]);
  await aPullRequest(database, run, { state: 'open' });
  await attention('cost_limit');
  expect(await dueAdvances(database, 10)).toEqual([]);
  await advanceTask(database, task.id, () => 0.5);
  expect((await readTask(database, task.id)).state).toBe('needs_attention');
  await attention('effect_parked');
  expect(await dueAdvances(database, 10)).toEqual([{ id: task.id }]);
  await advanceTask(database, task.id, () => 0.5);
  expect(await readTask(database, task.id)).toMatchObject({ state: 'pr_opened', attention: null });
});
