import { UserError, findCycle, shortId, type Actor, type Id, type RunState } from '@capstan/domain';
import { pullRequestCheck, runStop, taskAnswered } from '@capstan/events';
import {
  TaskDependency,
  changeTask,
  createTask,
  recordTaskEvent,
  requestEffect,
  unmetDependencies,
  unparkRow,
  type Database,
  type PullRequest,
  type RunCommand,
  type Task,
  type TaskRequest,
  type Tx,
} from '@capstan/database';
import { dropMessages } from '../advance-task/advance-task.apply.js';
import { decideAnswer } from './answer-request.decide.js';
import type { RequestPlan, RequestSnapshot } from './request-plan.js';

/** Key of the advisory lock under which dependencies change. */
const DEPENDENCY_LOCK = 7_283_003;

interface RequestWorld {
  readonly request: TaskRequest;
  readonly task: Task;
  readonly pullRequest: PullRequest | null;
  readonly snapshot: RequestSnapshot;
}

/** Applies one request and writes its answer, in one transaction; a request that is answered already stays as it is. */
export async function answerRequest(database: Database, requestId: Id): Promise<'applied' | 'refused' | 'stale'> {
  try {
    return await carry(database, requestId);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // What was asked for can't be: that is an answer, not a failure.
    await database.transaction(async (tx) => {
      const [row] = await tx.query<{ workspaceId: Id; taskId: Id }>(
        'update task_request set answered_at = clock_timestamp(), answer = $2 where id = $1 and answered_at is null returning workspace_id, task_id',
        [requestId, { applied: false, code: error.code, detail: error.message }],
      );
      if (row !== undefined) await tx.emit(taskAnswered, { ...row, requestId });
    });
    return 'refused';
  }
}

async function carry(database: Database, requestId: Id): Promise<'applied' | 'refused' | 'stale'> {
  return database.commit('answer', async (tx) => {
    const world = await read(tx, requestId);
    if (world === null) return 'stale';
    const plan = decideAnswer(world.snapshot);
    if (plan.later !== undefined) {
      if (plan.later === 'say') await sayToAgent(tx, world);
      return 'stale';
    }
    const detail = plan.applied ? await carryOut(tx, world, plan) : plan.detail;
    if (detail === null) return 'stale';
    await tx.query('update task_request set answered_at = clock_timestamp(), answer = $2 where id = $1', [
      requestId,
      { applied: plan.applied, code: plan.code, detail },
    ]);
    await tx.emit(taskAnswered, { workspaceId: world.task.workspaceId, taskId: world.task.id, requestId });
    return plan.applied ? 'applied' : 'refused';
  });
}

async function read(tx: Tx, requestId: Id): Promise<RequestWorld | null> {
  // One change of dependencies at a time: two requests that together close a cycle must see each other. Taken before
  // any row is locked, so that requests never wait for each other in a ring.
  await tx.query(`select pg_advisory_xact_lock($2) from task_request where id = $1 and kind = 'set_dependencies'`, [
    requestId,
    DEPENDENCY_LOCK,
  ]);
  const [request] = await tx.query<TaskRequest>(
    'select * from task_request where id = $1 and answered_at is null for update',
    [requestId],
  );
  if (request === undefined) return null;
  // Nobody leases a placed run meanwhile: what is given to it must be there before its prompt is written. Locked before
  // the task, as whoever finishes a run does.
  if (request.kind === 'message')
    await tx.query(`select id from run where task_id = $1 and state = 'placed' for share`, [request.taskId]);
  const [task] = await tx.query<Task & Surroundings>(SURROUNDINGS, [request.taskId, request.id]);
  const [pullRequest] = await tx.query<PullRequest>(
    'select * from pull_request where task_id = $1 and generation = $2 and number is not null',
    [task!.id, task!.generation],
  );
  const open = await tx.query<Pick<Task, 'id' | 'state'>>(
    `select d.id, d.state from task_dependency e join task d on d.id = e.depends_on_id
      where e.task_id = $1 and d.state <> 'completed' order by d.id`,
    [task!.id],
  );
  const cycle = request.kind === 'set_dependencies' ? await cycleOf(tx, task!, dependenciesOf(request)) : null;
  const priority = request.arguments['priority'];
  return {
    request,
    task: task!,
    pullRequest: pullRequest ?? null,
    snapshot: {
      now: task!.now.getTime(),
      request: {
        kind: request.kind,
        priority: typeof priority === 'number' ? priority : null,
        limits: limitsFrom(task!.limits, request.arguments['limits']),
      },
      task: {
        state: task!.state,
        intent: task!.intent,
        generation: task!.generation,
        notBefore: task!.notBefore?.getTime() ?? null,
      },
      runState: task!.runState,
      spent: { costUsd: Number(task!.cost), maxCostUsd: Number(task!.most) },
      command:
        task!.command === null
          ? null
          : { accepted: task!.command.answer?.accepted ?? null, refusal: task!.command.answer?.refusal },
      archived: task!.archived,
      openDependencies: open.map(({ id, state }) => ({ shortId: shortId(id), state })),
      pullRequest: pullRequest === undefined ? null : { open: pullRequest.state === 'open' },
      cycle,
    },
  };
}

interface Surroundings {
  readonly now: Date;
  readonly runState: RunState | null;
  readonly archived: boolean;
  readonly cost: string;
  readonly most: string;
  readonly command: Pick<RunCommand, 'runId' | 'answer'> | null;
}

const SURROUNDINGS = `
  select t.*, clock_timestamp() as now, (select state from run where id = t.current_run_id) as run_state,
         r.archived_at is not null as archived, coalesce((t.limits->>'maxCostUsd')::numeric, r.max_cost_usd) as most,
         (select coalesce(sum(u.cost_usd), 0) from run u where u.task_id = t.id) as cost,
         (select jsonb_build_object('runId', c.run_id, 'answer', c.answer) from run_command c where c.id = $2) as command
    from task t join repository r on r.id = t.repository_id where t.id = $1 for update of t`;

/** What a task has of its own when a change of its limits is applied: null gives one back to the repository. */
function limitsFrom(own: Task['limits'], change: unknown): Task['limits'] {
  const all = Object.entries({ ...own, ...(change as Readonly<Record<string, number | null>> | undefined) });
  const kept = all.filter(([, value]) => typeof value === 'number');
  return kept.length === 0 ? null : (Object.fromEntries(kept) as Task['limits']);
}

/** For the run's driver, once; its word comes back as this request's event. */
async function sayToAgent(tx: Tx, { task, request }: RequestWorld): Promise<void> {
  await tx.query(
    `insert into run_command (id, workspace_id, task_id, run_id, kind, text) values ($1,$2,$3,$4,$5,$6)
     on conflict (id) do nothing`,
    [request.id, task.workspaceId, task.id, task.currentRunId, request.kind, request.arguments['text'] ?? null],
  );
}

function dependenciesOf(request: TaskRequest): readonly Id[] {
  const list = request.arguments['dependsOn'];
  return Array.isArray(list) ? list.filter((id): id is Id => typeof id === 'string') : [];
}

async function cycleOf(tx: Tx, task: Task, dependsOn: readonly Id[]): Promise<readonly Id[] | null> {
  const edges = await tx.query<TaskDependency>(
    'select task_id, depends_on_id from task_dependency where workspace_id = $1',
    [task.workspaceId],
  );
  return findCycle(edges, task.id, dependsOn);
}

/** Answers what to tell the person, or null when the task moved in the meantime. */
async function carryOut(tx: Tx, world: RequestWorld, plan: RequestPlan): Promise<string | null> {
  const { task, request, pullRequest } = world;
  const cause = causeOf(request);
  if (plan.patch !== undefined || plan.transition !== undefined) {
    const intent = plan.patch?.intent === undefined || plan.patch.intent === null ? {} : { intentBy: request.actor };
    const state = await changeTask(tx, {
      task,
      ...(plan.transition === undefined ? {} : { transition: plan.transition }),
      patch: { ...plan.patch, ...intent },
      cause,
      actor: request.actor,
    });
    if (state === 'stale') return null;
    // Who acts on a parked task has seen it: it is taken up again.
    await unparkRow(tx, 'task', task.id);
  }
  if (request.kind === 'message' || request.kind === 'interrupt') await recordWord(tx, world, plan, cause);
  if (plan.patch?.generation !== undefined && task.currentRunId !== null)
    await dropMessages(tx, task.id, task.currentRunId);
  if (plan.replaceDependencies === true) await replaceDependencies(tx, task, dependenciesOf(request), request.actor);
  if (plan.stopRun === true && task.currentRunId !== null)
    await tx.emit(runStop, { workspaceId: task.workspaceId, taskId: task.id, runId: task.currentRunId });
  if (plan.checkPullRequest === true)
    await tx.emit(pullRequestCheck, { workspaceId: task.workspaceId, taskId: task.id });
  if (plan.closePullRequest === true && pullRequest !== null) await closePullRequest(tx, task, pullRequest);
  return plan.linkedTask === true ? await redoAsNewTask(tx, task, request.actor) : plan.detail;
}

async function replaceDependencies(tx: Tx, task: Task, dependsOn: readonly Id[], actor: Actor): Promise<void> {
  await unmetDependencies(tx, task.workspaceId, dependsOn);
  await tx.query('delete from task_dependency where task_id = $1', [task.id]);
  if (dependsOn.length > 0)
    await tx.insert(
      TaskDependency,
      [...new Set(dependsOn)].map((dependsOnId) => ({ workspaceId: task.workspaceId, taskId: task.id, dependsOnId })),
    );
  await recordTaskEvent(tx, {
    workspaceId: task.workspaceId,
    taskId: task.id,
    kind: 'request',
    cause: dependsOn.length === 0 ? 'Dependencies removed' : `Waits for ${dependsOn.map(shortId).join(', ')}`,
    actor,
    traceparent: task.traceparent,
  });
}

async function closePullRequest(tx: Tx, task: Task, pullRequest: PullRequest): Promise<void> {
  await requestEffect(tx, {
    workspaceId: task.workspaceId,
    taskId: task.id,
    runId: null,
    epoch: 0,
    kind: 'close_pull_request',
    key: `close_pull_request:${pullRequest.id}:redo`,
    arguments: {
      pullRequestId: pullRequest.id,
      comment: 'Closed: the task is being done again from the start, on a new branch.',
    },
    traceparent: task.traceparent,
  });
}

async function redoAsNewTask(tx: Tx, task: Task, actor: Actor): Promise<string> {
  const fresh = await createTask(tx, {
    workspaceId: task.workspaceId,
    repositoryId: task.repositoryId,
    kind: task.kind,
    title: task.title,
    body: task.body,
    baseBranch: task.baseBranch,
    priority: task.priority,
    limits: task.limits,
    ticketId: task.ticketId,
    linkedTaskId: task.id,
    createdBy: actor,
    cause: `Task ${shortId(task.id)} done again`,
    traceparent: task.traceparent,
  });
  return `Task ${shortId(fresh.id)} does the work again`;
}

/** What was said is told in the task's life, also where it changes nothing; and whose prompt it goes into. */
async function recordWord(tx: Tx, { task, request }: RequestWorld, plan: RequestPlan, cause: string): Promise<void> {
  if (plan.give !== undefined)
    await tx.query(
      `update task_request set given_run_id = coalesce((select run_id from run_command where id = $1), $2::uuid) where id = $1`,
      [request.id, task.currentRunId],
    );
  if (plan.patch !== undefined) return;
  await recordTaskEvent(tx, {
    workspaceId: task.workspaceId,
    taskId: task.id,
    kind: 'request',
    cause,
    actor: request.actor,
    traceparent: task.traceparent,
  });
}

/** Longest piece of a message in the task's life, characters. */
const QUOTED = 300;

function causeOf({ kind, arguments: given }: TaskRequest): string {
  const text = typeof given['text'] === 'string' ? given['text'].replaceAll(/\s+/g, ' ').trim() : '';
  if (kind === 'message') return `Message: ${text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text}`;
  return `${words(kind)}${typeof given['reason'] === 'string' ? `: ${given['reason']}` : ''}`;
}

function words(kind: TaskRequest['kind']): string {
  const text = kind.replaceAll('_', ' ');
  return `${text[0]!.toUpperCase()}${text.slice(1)} asked for`;
}
