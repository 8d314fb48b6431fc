import fc from 'fast-check';
import { MAX_CI_RESUMES, type TaskRequestKind } from '@capstan/domain';
import { Database, migrate, requestOfTask, type Task } from '@capstan/database';
import { Loops, Metrics, openLogger } from '@capstan/service-kit';
import {
  SPEC,
  aPod,
  aPullRequest,
  aRepository,
  aRun,
  aTask,
  aWorker,
  eventually,
  readTask,
  testDatabase,
} from '@capstan/test-support';
import { advanceTask } from './advance-task/advance-task.apply.js';
import { dueAdvances } from './advance-task/advance-task.loop.js';
import { readAdvance } from './advance-task/advance-task.snapshot.js';
import { answerRequest } from './answer-request/answer-request.apply.js';
import { explainWaiting } from './explain-waiting/explain-waiting.apply.js';
import { placeTasks } from './place-task/place-task.apply.js';
import { Placer } from './place-task/place-task.loop.js';
import type { SchedulerConfig } from './scheduler.config.js';
import { measureWork } from './work-metrics.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let second: Database;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  second = await Database.open({ url: server.url });
});
afterAll(async () => {
  await Promise.all([database.close(), second.close()]);
  await server.close();
});
beforeEach(async () => {
  await database.query('truncate workspace, worker, outbox cascade');
  await aWorker(database);
});

const advance = (task: { id: string }) => advanceTask(database, task.id, () => 0.5);
const states = async (): Promise<string[]> =>
  (await database.query<Task>('select state from task order by created_at, id')).map(({ state }) => state);

async function ask(task: Task, kind: TaskRequestKind, args: Record<string, unknown> = {}) {
  const { id } = await database.transaction((tx) =>
    requestOfTask(tx, { workspaceId: task.workspaceId, taskId: task.id, kind, arguments: args, actor: SPEC }),
  );
  await answerRequest(database, id);
  const [row] = await database.query<{ answer: { applied: boolean; code: string; detail: string } }>(
    'select answer from task_request where id = $1',
    [id],
  );
  return row!.answer;
}

describe('/metrics', () => {
  it('says how much work there is, with a zero for what there is none of', async () => {
    const repository = await aRepository(database);
    const [queued, done, cancelled] = [0, 1, 2].map(() => aTask(database, repository));
    const set = async (task: Promise<Task> | undefined, sql: string) =>
      database.query(`update ${sql} where ${sql.startsWith('task_event') ? 'task_id' : 'id'} = $1`, [(await task)!.id]);
    await set(queued, `task_event set at = now() - interval '90 s'`);
    await set(done, `task set state = 'completed'`);
    await set(cancelled, `task set state = 'cancelled', parked_at = now()`);
    const metrics = new Metrics();
    measureWork(database, metrics);
    const text = await metrics.render();
    const value = (series: string) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.split(' ')[1],
      );
    expect(value('capstan_tasks{state="queued"}')).toBe(1);
    expect(value('capstan_tasks{state="completed"}')).toBe(1);
    expect(value('capstan_tasks{state="running"}')).toBe(0);
    expect(value('capstan_queue_length')).toBe(1);
    expect(value('capstan_queue_oldest_seconds')).toBeGreaterThanOrEqual(89);
    expect(value('capstan_runs{state="running"}')).toBe(0);
    expect(value('capstan_effects_open')).toBe(0);
    expect(value('capstan_parked_rows{kind="task"}')).toBe(1);
    expect(value('capstan_parked_rows{kind="effect"}')).toBe(0);
  });
});

describe('placement', () => {
  it('never exceeds a limit with two schedulers on one Postgres', async () => {
    const one = await aRepository(database, { maxConcurrentTasks: 3, maxAgentsPerPod: 2, maxPodInstances: 2 });
    const two = await aRepository(database, { maxConcurrentTasks: 10, maxAgentsPerPod: 1, maxPodInstances: 2 });
    for (let index = 0; index < 8; index += 1) await Promise.all([aTask(database, one), aTask(database, two)]);
    await Promise.all(Array.from({ length: 10 }, (_, index) => placeTasks(index % 2 === 0 ? database : second, 4)));
    const [counts] = await database.query<{
      active: number;
      one: number;
      two: number;
      slots: number;
      runs: number;
      pods: number;
    }>(
      `select count(*) filter (where state = 'provisioning')::int as active,
              count(*) filter (where state = 'provisioning' and repository_id = $1)::int as one,
              count(*) filter (where state = 'provisioning' and repository_id = $2)::int as two,
              (select count(distinct (pod_id, slot))::int from run) as slots, (select count(*)::int from run) as runs,
              (select max(n)::int from (select count(*) as n from pod group by repository_id) x) as pods
         from task`,
      [one.id, two.id],
    );
    expect(counts).toMatchObject({ active: 4, slots: 4, runs: 4 });
    expect(counts!.one).toBeLessThanOrEqual(3);
    expect(counts!.two).toBeLessThanOrEqual(2);
    expect(counts!.pods).toBeLessThanOrEqual(2);
  });

  it('goes by priority, then age, and is not held up by a repository that is full', async () => {
    const full = await aRepository(database, { maxConcurrentTasks: 1 });
    const open = await aRepository(database, { maxConcurrentTasks: 2, maxAgentsPerPod: 2 });
    await aRun(database, full, { taskState: 'running', state: 'running' });
    await aTask(database, full, { priority: 0 });
    const [late, early, urgent] = [
      await aTask(database, open, { priority: 50 }),
      await aTask(database, open, { priority: 20 }),
      await aTask(database, open, { priority: 10 }),
    ];
    expect((await placeTasks(database, 10)).count).toBe(2);
    expect([
      (await readTask(database, late.id)).state,
      (await readTask(database, early.id)).state,
      (await readTask(database, urgent.id)).state,
    ]).toEqual(['queued', 'provisioning', 'provisioning']);
  });

  it('emits run.start for a ready pod, and asks for a pod where there is none', async () => {
    const ready = await aRepository(database);
    await aPod(database, ready);
    await aTask(database, ready);
    await aTask(database, await aRepository(database));
    expect((await placeTasks(database, 10)).count).toBe(2);
    const events = await database.query<{ event: string }>(
      `select event from outbox where event in ('run.start','pod.provision') order by event`,
    );
    expect(events.map(({ event }) => event)).toEqual(['pod.provision', 'run.start']);
  });

  it('leaves everything where no worker is alive, the workspace is paused or its credential is limited', async () => {
    const repository = await aRepository(database);
    await aTask(database, repository);
    await database.query('update workspace set paused_at = now() where id = $1', [repository.workspaceId]);
    expect((await placeTasks(database, 10)).count).toBe(0);
    await database.query('update workspace set paused_at = null');
    await database.query(
      `insert into credential_pause values ($1, 'GITHUB_TOKEN', now() + interval '1 hour', 'limit')`,
      [repository.workspaceId],
    );
    expect((await placeTasks(database, 10)).count).toBe(0);
    await database.query('delete from credential_pause');
    await database.query('delete from worker');
    expect((await placeTasks(database, 10)).count).toBe(0);
    await aWorker(database);
    expect((await placeTasks(database, 10)).count).toBe(1);
  });
});

describe('placement by the clock', () => {
  it.each([
    ['a back-off', `update task set not_before = now() + interval '1500 ms'`],
    [
      'the pause of a credential',
      `insert into credential_pause (workspace_id, credential, until, reason)
         select workspace_id, credential_secret, now() + interval '1500 ms', 'limited' from repository`,
    ],
  ])('happens when %s ends, without a wake', async (_name, sql) => {
    const repository = await aRepository(database);
    await aPod(database, repository);
    await aTask(database, repository);
    await database.query(sql);
    const logger = openLogger({ format: 'text', level: 'silent' });
    const placer = new Placer(
      database,
      new Loops(logger),
      { CAPSTAN_MAX_CONCURRENT: 5 } as SchedulerConfig,
      logger,
      new Metrics(),
    );
    await placer.wake();
    expect(await states()).toEqual(['queued']);
    await eventually(async () => (await states())[0] === 'provisioning', 4_000);
    placer.onModuleDestroy();
  });
});

describe('a task’s life', () => {
  it('is looked after, however many others merely wait', async () => {
    const repository = await aRepository(database);
    const { task } = await aRun(database, repository, {
      taskState: 'running',
      state: 'finished',
      outcome: { kind: 'no_changes', detail: 'x', symptom: 'no_changes' },
    });
    const blocker = await aTask(database, repository);
    for (let index = 0; index < 12; index += 1) await aTask(database, repository, { dependsOn: [blocker.id] });
    await database.query(`update task set updated_at = now() - interval '1 hour' where state = 'waiting'`);
    expect((await dueAdvances(database, 10)).map(({ id }) => id)).toEqual([task.id]);
    await database.query(`update task set state = 'cancelled' where id = $1`, [blocker.id]);
    expect(await dueAdvances(database, 100)).toHaveLength(13);
  });

  it('starts, ends in a pull request and completes when that is merged', async () => {
    const repository = await aRepository(database);
    const { run, task } = await aRun(database, repository, { state: 'running' });
    await advance(task);
    expect(await states()).toEqual(['running']);
    await database.query(
      `update run set state = 'finished', outcome = '{"kind":"commits","detail":"1 commit"}' where id = $1`,
      [run.id],
    );
    await advance(task);
    expect(await states()).toEqual(['running']);
    const pullRequest = await aPullRequest(database, run);
    await advance(task);
    expect(await states()).toEqual(['pr_opened']);
    await database.query(`update pull_request set state = 'merged' where id = $1`, [pullRequest.id]);
    await advance(task);
    expect(await states()).toEqual(['completed']);
  });

  it('ends the same however often and in whatever order it is woken', async () => {
    const repository = await aRepository(database);
    const { run, task } = await aRun(database, repository, {
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
      taskState: 'provisioning',
    } as never);
    await aPullRequest(database, run, { refusal: { code: 'ci_failed', detail: 'abc: test failed' } });
    await database.query(`update task set state = 'running' where id = $1`, [task.id]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), async (wakes) => {
        await Promise.all(Array.from({ length: wakes }, () => advance(task).catch(() => undefined)));
      }),
      { numRuns: 5 },
    );
    expect(await readTask(database, task.id)).toMatchObject({
      state: 'queued',
      runReason: 'ci_failed',
      ciResumes: 1,
      runNote: 'abc: test failed',
    });
    const moves = await database.query(`select 1 from task_event where task_id = $1 and kind = 'transition'`, [
      task.id,
    ]);
    expect(moves).toHaveLength(2);
  });

  it('asks a person after the last resume', async () => {
    const repository = await aRepository(database);
    const { run, task } = await aRun(database, repository, {
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
      taskState: 'pr_opened',
    } as never);
    await aPullRequest(database, run, { refusal: { code: 'ci_failed', detail: 'red' } });
    await database.query('update task set ci_resumes = $2 where id = $1', [task.id, MAX_CI_RESUMES]);
    await advance(task);
    expect(await readTask(database, task.id)).toMatchObject({
      state: 'needs_attention',
      attention: { code: 'ci_failed', detail: `The agent was sent back in ${MAX_CI_RESUMES} times. red` },
    });
  });

  it('asks a person when the same check fails in the same words again and again', async () => {
    const repository = await aRepository(database);
    const { run, task, pod } = await aRun(database, repository, {
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
      taskState: 'pr_opened',
    });
    const red = (sha: string) => `${sha} failing checks: test\nnote.txt is RED`;
    await aPullRequest(database, run, { refusal: { code: 'ci_failed', detail: red('abcdef0') } });
    for (const [index, sha] of ['1111111', '2222222', '3333333'].entries()) {
      await database.query('update task set ci_resumes = $2 where id = $1', [task.id, index]);
      expect((await readAdvance(database, task.id, 0))!.snapshot.redBefore).toHaveLength(index);
      await aRun(database, repository, {
        state: 'finished',
        outcome: { kind: 'commits', detail: 'x' },
        reason: 'ci_failed',
        note: red(sha),
        number: index + 2,
        task,
        pod,
        taskState: 'pr_opened',
      });
    }
    await database.query('update task set ci_resumes = 3 where id = $1', [task.id]);
    await advance(task);
    expect(await readTask(database, task.id)).toMatchObject({
      state: 'needs_attention',
      attention: { code: 'ci_failed', detail: expect.stringContaining('the same failed each time') as string },
    });
  });

  it('frees dependents when the last dependency completes, and asks a person when one fails', async () => {
    const repository = await aRepository(database);
    const [first, other] = [await aTask(database, repository), await aTask(database, repository)];
    const [waits, hopes] = [
      await aTask(database, repository, { dependsOn: [first.id] }),
      await aTask(database, repository, { dependsOn: [other.id] }),
    ];
    expect([waits.state, hopes.state]).toEqual(['waiting', 'waiting']);
    await database.query(`update task set state = 'completed' where id = $1`, [first.id]);
    await database.query(`update task set state = 'cancelled' where id = $1`, [other.id]);
    await advance(waits);
    await advance(hopes);
    expect((await readTask(database, waits.id)).state).toBe('queued');
    expect(await readTask(database, hopes.id)).toMatchObject({
      state: 'needs_attention',
      attention: { code: 'dependency_failed' },
    });
  });

  it('fences the run of a task whose agent could not be confirmed gone, and gives the pod nothing new', async () => {
    const repository = await aRepository(database);
    const { run, task } = await aRun(database, repository, {
      state: 'running',
      owner: 'gone',
      epoch: 3,
      taskState: 'running',
    });
    await ask(task, 'cancel');
    expect((await readTask(database, task.id)).intent).toBe('cancel');
    await database.query(`update task set intent_at = now() - interval '61 s' where id = $1`, [task.id]);
    await advance(task);
    expect(await readTask(database, task.id)).toMatchObject({
      state: 'cancelled',
      agentUnconfirmed: true,
      intent: null,
    });
    expect(await database.query('select state, epoch, owner from run where id = $1', [run.id])).toEqual([
      { state: 'finished', epoch: 4, owner: null },
    ]);
    await aTask(database, repository);
    expect((await placeTasks(database, 10)).count).toBe(0);
  });
});

describe('requests', () => {
  it('are answered once, however often they are delivered', async () => {
    const task = await aTask(database, await aRepository(database));
    const { id } = await database.transaction((tx) =>
      requestOfTask(tx, { workspaceId: task.workspaceId, taskId: task.id, kind: 'cancel', actor: SPEC }),
    );
    const results = await Promise.all([
      answerRequest(database, id),
      answerRequest(second, id),
      answerRequest(database, id),
    ]);
    expect(results.sort()).toEqual(['applied', 'stale', 'stale']);
  });

  it('redo closes the pull request and takes the next generation', async () => {
    const repository = await aRepository(database);
    const { run, task } = await aRun(database, repository, {
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
      taskState: 'pr_opened',
    } as never);
    const pullRequest = await aPullRequest(database, run);
    expect(await ask(task, 'force_redo')).toMatchObject({ applied: true });
    expect(await readTask(database, task.id)).toMatchObject({ state: 'queued', generation: 2, branch: null });
    expect(await database.query('select kind, key from effect')).toEqual([
      { kind: 'close_pull_request', key: `close_pull_request:${pullRequest.id}:redo` },
    ]);
    await aPod(database, repository, { ordinal: 1 });
    await placeTasks(database, 10);
    expect((await readTask(database, task.id)).branch).toMatch(/-2$/);
  });

  it('redo of a completed task makes a new, linked one', async () => {
    const repository = await aRepository(database);
    const { task } = await aRun(database, repository, {
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
      taskState: 'completed',
    } as never);
    expect(await ask(task, 'force_redo')).toMatchObject({ applied: true, code: 'new_task' });
    expect(await database.query('select state, linked_task_id from task where linked_task_id is not null')).toEqual([
      { state: 'queued', linkedTaskId: task.id },
    ]);
  });

  it('refuse a cycle by naming it, also when two close it together', async () => {
    const repository = await aRepository(database);
    const root = await aTask(database, repository);
    const [a, b] = [
      await aTask(database, repository, { dependsOn: [root.id] }),
      await aTask(database, repository, { dependsOn: [root.id] }),
    ];
    const answers = await Promise.all([
      ask(a, 'set_dependencies', { dependsOn: [b.id] }),
      ask(b, 'set_dependencies', { dependsOn: [a.id] }),
    ]);
    expect(answers.map(({ applied }) => applied).sort()).toEqual([false, true]);
    expect(answers.find(({ applied }) => !applied)).toMatchObject({ code: 'dependency_cycle' });
  });

  it('retry no task whose dependency is open, and let it go', async () => {
    const repository = await aRepository(database);
    const first = await aTask(database, repository);
    const next = await aTask(database, repository, { dependsOn: [first.id] });
    await ask(first, 'cancel');
    await advance(next);
    expect(await readTask(database, next.id)).toMatchObject({ state: 'needs_attention' });
    expect(await ask(next, 'retry')).toMatchObject({ applied: false, detail: expect.stringContaining('cancelled') });
    expect(await ask(next, 'set_dependencies', { dependsOn: [] })).toMatchObject({ applied: true });
    expect(await ask(next, 'retry')).toMatchObject({ applied: true });
  });

  it('start nothing again in a repository that was removed', async () => {
    const repository = await aRepository(database);
    const task = await aTask(database, repository);
    await ask(task, 'cancel');
    await database.query('update repository set archived_at = now()');
    for (const kind of ['retry', 'force_restart', 'force_redo'] as const)
      expect(await ask(task, kind)).toMatchObject({ applied: false, detail: expect.stringContaining('removed') });
  });

  it('answer what can’t be instead of failing for ever', async () => {
    const repository = await aRepository(database);
    const task = await aTask(database, repository, { dependsOn: [(await aTask(database, repository)).id] });
    const foreign = await aTask(database, await aRepository(database));
    expect(await ask(task, 'set_dependencies', { dependsOn: [foreign.id] })).toMatchObject({
      applied: false,
      code: 'dependency_not_found',
    });
  });
});

describe('why tasks wait', () => {
  const reasonOf = async (task: Task) => (await readTask(database, task.id)).waiting;
  const explain = () => explainWaiting(database, 2);

  it('is said in words from the closed list, and only when it changes', async () => {
    const repository = await aRepository(database, { maxConcurrentTasks: 1 });
    const task = await aTask(database, repository);
    await explain();
    expect(await reasonOf(task)).toMatchObject({
      code: 'credential_missing',
      detail: 'The secret GITHUB_TOKEN is not set',
    });
    await database.query(
      `insert into secret (id, workspace_id, name, key_version, nonce, ciphertext) values ($1, $2, 'GITHUB_TOKEN', 1, '', '')`,
      [task.id, repository.workspaceId],
    );
    await explain();
    expect(await reasonOf(task)).toMatchObject({ code: 'waiting_turn' });
    expect(await explain()).toEqual([]);
    await aRun(database, repository, { state: 'running', taskState: 'running' });
    await explain();
    expect(await reasonOf(task)).toMatchObject({ code: 'repository_limit', detail: 'Repository limit: 1 of 1' });
    await database.query('update repository set max_concurrent_tasks = 9');
    await aRun(database, repository, {
      state: 'running',
      taskState: 'running',
      slot: 1,
      pod: await aPod(database, repository, { ordinal: 1 }),
    });
    await explain();
    expect(await reasonOf(task)).toMatchObject({ code: 'global_limit', detail: 'Global limit: 2 of 2' });
    await database.query('delete from worker');
    await explain();
    expect(await reasonOf(task)).toMatchObject({ code: 'no_ready_worker' });
  });

  it('names the attempt of a pod that is being made, and what failed before', async () => {
    const repository = await aRepository(database);
    const { task } = await aRun(database, repository, {
      pod: await aPod(database, repository, {
        state: 'provisioning',
        attempts: 1,
        lastError: 'ErrImagePull: no such image',
      }),
    });
    await explain();
    expect(await reasonOf(task)).toMatchObject({
      code: 'pod_provisioning',
      detail: 'The pod is being made, attempt 2 of 3: ErrImagePull: no such image',
    });
  });
});
