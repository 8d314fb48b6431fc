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
  type Task,
  type TaskRequest,
  type Tx,
} from '@capstan/database';
import { decideAnswer, type RequestPlan, type RequestSnapshot } from './answer-request.decide.js';

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
  const [task] = await tx.query<Task & { now: Date; runState: RunState | null; archived: boolean }>(
    `select t.*, clock_timestamp() as now, (select state from run where id = t.current_run_id) as run_state,
            (select archived_at is not null from repository r where r.id = t.repository_id) as archived
       from task t where t.id = $1 for update of t`,
    [request.taskId],
  );
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
      request: { kind: request.kind, priority: typeof priority === 'number' ? priority : null },
      task: {
        state: task!.state,
        intent: task!.intent,
        generation: task!.generation,
        notBefore: task!.notBefore?.getTime() ?? null,
      },
      runState: task!.runState,
      archived: task!.archived,
      openDependencies: open.map(({ id, state }) => ({ shortId: shortId(id), state })),
      pullRequest: pullRequest === undefined ? null : { open: pullRequest.state === 'open' },
      cycle,
    },
  };
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
  const cause = `${words(request.kind)}${typeof request.arguments['reason'] === 'string' ? `: ${request.arguments['reason']}` : ''}`;
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
  }
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
    // Who acts on a parked task has seen it: it is taken up again.
    await unparkRow(tx, 'task', task.id);
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

function words(kind: TaskRequest['kind']): string {
  const text = kind.replaceAll('_', ' ');
  return `${text[0]!.toUpperCase()}${text.slice(1)} asked for`;
}
