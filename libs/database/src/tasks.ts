import {
  DEFAULT_PRIORITY,
  UserError,
  shortId,
  TASK_TRANSITIONS,
  type Actor,
  type Id,
  type RunLimits,
  type TaskKind,
  type TaskRequestKind,
  type TaskState,
  type TransitionName,
} from '@capstan/domain';
import { taskChanged, taskCreated, taskRequested } from '@capstan/events';
import { newId, type NewTaskEvent, type Tx } from './database.js';
import { Task, TaskDependency, TaskRequest } from './entities/index.js';

export interface NewTask {
  readonly id?: Id;
  readonly workspaceId: Id;
  readonly repositoryId: Id;
  readonly kind: TaskKind;
  readonly title: string;
  readonly body: string;
  readonly baseBranch: string;
  readonly priority?: number;
  readonly dependsOn?: readonly Id[];
  readonly limits?: Partial<RunLimits> | null;
  readonly ticketId?: Id | null;
  readonly linkedTaskId?: Id | null;
  readonly createdBy: Actor;
  readonly cause: string;
  readonly traceparent: string | null;
}

/**
 * Inserts a task with its dependencies, first event and outbox row. Any service calls it inside its own transaction:
 * creating isn't updating. Throws UserError `dependency_not_found` when a dependency isn't in the workspace.
 */
export async function createTask(tx: Tx, task: NewTask): Promise<{ readonly id: Id; readonly state: TaskState }> {
  const id = task.id ?? (await freshTaskId(tx, task.workspaceId));
  const dependsOn = [...new Set(task.dependsOn ?? [])];
  const open = await unmetDependencies(tx, task.workspaceId, dependsOn);
  const state: TaskState = open.length > 0 ? 'waiting' : 'queued';
  await tx.insert(Task, {
    id,
    workspaceId: task.workspaceId,
    repositoryId: task.repositoryId,
    kind: task.kind,
    title: task.title,
    body: task.body,
    state,
    priority: task.priority ?? DEFAULT_PRIORITY,
    baseBranch: task.baseBranch,
    limits: task.limits ?? null,
    ticketId: task.ticketId ?? null,
    linkedTaskId: task.linkedTaskId ?? null,
    createdBy: task.createdBy,
    traceparent: task.traceparent,
  });
  if (dependsOn.length > 0)
    await tx.insert(
      TaskDependency,
      dependsOn.map((dependsOnId) => ({ workspaceId: task.workspaceId, taskId: id, dependsOnId })),
    );
  await recordTaskEvent(tx, {
    workspaceId: task.workspaceId,
    taskId: id,
    kind: 'created',
    toState: state,
    cause: task.cause,
    actor: task.createdBy,
    traceparent: task.traceparent,
  });
  await tx.emit(taskCreated, { workspaceId: task.workspaceId, taskId: id, repositoryId: task.repositoryId });
  return { id, state };
}

/** An id whose short form nobody has in the workspace: with 32 random bits, one in a few thousand tasks would clash. */
async function freshTaskId(tx: Tx, workspaceId: Id): Promise<Id> {
  for (;;) {
    const id = newId();
    const taken = await tx.query('select 1 from task where workspace_id = $1 and right(id::text, 8) = $2', [
      workspaceId,
      shortId(id),
    ]);
    if (taken.length === 0) return id;
  }
}

/** Which of these tasks have not completed. Throws UserError `dependency_not_found` for one that isn't there. */
export async function unmetDependencies(tx: Tx, workspaceId: Id, dependsOn: readonly Id[]): Promise<readonly Id[]> {
  if (dependsOn.length === 0) return [];
  const found = await tx.query<{ id: Id; state: TaskState }>(
    'select id, state from task where workspace_id = $1 and id = any($2) for share',
    [workspaceId, dependsOn],
  );
  const known = new Set(found.map((row) => row.id));
  const missing = dependsOn.find((id) => !known.has(id));
  if (missing !== undefined)
    throw new UserError(`No task ${missing} in this workspace`, {
      code: 'dependency_not_found',
      status: 422,
      field: 'dependsOn',
      remedy: 'Name tasks of the same workspace by their ids.',
    });
  return found.filter((row) => row.state !== 'completed').map((row) => row.id);
}

/** Appends one line to a task's life. */
export async function recordTaskEvent(tx: Tx, event: NewTaskEvent): Promise<void> {
  await tx.record(event);
}

/** Columns that a change of a task may set besides its state. */
export type TaskPatch = Partial<
  Pick<
    Task,
    | 'branch'
    | 'generation'
    | 'intent'
    | 'intentAt'
    | 'intentBy'
    | 'runReason'
    | 'runNote'
    | 'currentRunId'
    | 'lastPodId'
    | 'runCount'
    | 'retries'
    | 'ciResumes'
    | 'notBefore'
    | 'waiting'
    | 'attention'
    | 'agentUnconfirmed'
    | 'costUsd'
    | 'startedAt'
    | 'endedAt'
    | 'priority'
    | 'limits'
  >
>;

export interface TaskChange {
  readonly task: Pick<Task, 'id' | 'workspaceId' | 'repositoryId' | 'state' | 'version' | 'traceparent'>;
  /** Undefined changes columns without moving the task. */
  readonly transition?: TransitionName;
  readonly patch?: TaskPatch;
  readonly cause: string;
  readonly actor: Actor;
  readonly detail?: Readonly<Record<string, unknown>>;
  /** Leaves no line in the task's life; for changes that a person need not see. */
  readonly silent?: boolean;
}

/**
 * The one way in which a task changes, for the scheduler alone. Compare-and-swap on the version: `stale` means that
 * somebody else changed the row since it was read, and nothing was written.
 */
export async function changeTask(tx: Tx, change: TaskChange): Promise<'applied' | 'stale'> {
  const { task, transition, patch = {} } = change;
  const to = transition === undefined ? task.state : TASK_TRANSITIONS[transition].to;
  const changed = await tx.update(Task, {
    set: 'version = version + 1, updated_at = now()',
    patch: { ...patch, state: to },
    where: 'id = $1 and version = $2',
    parameters: [task.id, task.version],
  });
  if (changed !== 1) return 'stale';
  if (transition !== undefined || change.silent !== true)
    await recordTaskEvent(tx, {
      workspaceId: task.workspaceId,
      taskId: task.id,
      kind: transition === undefined ? 'note' : 'transition',
      ...(transition === undefined ? {} : { fromState: task.state, toState: to }),
      cause: change.cause,
      actor: change.actor,
      traceparent: task.traceparent,
      ...(change.detail === undefined ? {} : { detail: change.detail }),
    });
  await tx.emit(taskChanged, {
    workspaceId: task.workspaceId,
    taskId: task.id,
    repositoryId: task.repositoryId,
    state: to,
    version: task.version + 1,
  });
  return 'applied';
}

/** SQL: the request `m` is a message that was taken and that no run has been given yet. */
export const MESSAGE_PENDING = `(m.kind = 'message' and m.given_run_id is null and (m.answer->>'applied')::boolean)`;

/** Writes down what somebody asks of a task; the scheduler applies it and writes the answer. */
export async function requestOfTask(
  tx: Tx,
  request: {
    readonly workspaceId: Id;
    readonly taskId: Id;
    readonly kind: TaskRequestKind;
    readonly arguments?: Readonly<Record<string, unknown>>;
    readonly actor: Actor;
  },
): Promise<{ readonly id: Id }> {
  const id = newId();
  await tx.insert(TaskRequest, {
    id,
    workspaceId: request.workspaceId,
    taskId: request.taskId,
    kind: request.kind,
    arguments: (request.arguments ?? {}) as never,
    actor: request.actor,
  });
  await tx.emit(taskRequested, { workspaceId: request.workspaceId, taskId: request.taskId, requestId: id });
  return { id };
}
