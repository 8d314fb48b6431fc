import { z } from 'zod';
import {
  EFFECT_KINDS,
  LOG_KINDS,
  PARKED_KINDS,
  POD_STATES,
  PULL_REQUEST_STATES,
  RUN_STATES,
  TASK_STATES,
} from '@capstan/domain';
import { defineEvent, type EventDefinition } from './define-event.js';

const id = z.uuid();
const task = { workspaceId: id, taskId: id };

/** A task row was inserted. */
export const taskCreated = defineEvent({
  name: 'task.created',
  schema: z.object({ ...task, repositoryId: id }),
  key: 'taskId',
});

/** A task's state, intent, waiting reason or priority changed. */
export const taskChanged = defineEvent({
  name: 'task.changed',
  schema: z.object({ ...task, repositoryId: id, state: z.enum(TASK_STATES), version: z.number().int() }),
  key: 'taskId',
});

/** Somebody asked something of a task; the scheduler applies it. */
export const taskRequested = defineEvent({
  name: 'task.requested',
  schema: z.object({ ...task, requestId: id }),
  key: 'requestId',
});

/** The scheduler answered a request. */
export const taskAnswered = defineEvent({
  name: 'task.answered',
  schema: z.object({ ...task, requestId: id }),
  key: 'requestId',
});

/**
 * Command: a placed run's pod is ready, or its runner let go of it; a runner may lease it. Acknowledged once the lease
 * is committed.
 */
export const runStart = defineEvent({
  name: 'run.start',
  schema: z.object({ ...task, runId: id }),
  key: 'runId',
});

/** Command: the task has an intent; whoever drives its run ends it. */
export const runStop = defineEvent({
  name: 'run.stop',
  schema: z.object({ ...task, runId: id }),
  key: 'runId',
});

/** A run changed its state, or was marked stalled. */
export const runChanged = defineEvent({
  name: 'run.changed',
  schema: z.object({ ...task, runId: id, state: z.enum(RUN_STATES), version: z.number().int() }),
  key: 'runId',
});

/** A run was judged; its outcome is in its row and its slot is free. */
export const runFinished = defineEvent({
  name: 'run.finished',
  schema: z.object({ ...task, runId: id, repositoryId: id }),
  key: 'runId',
});

/** Command: a pod row stands and wants to be made. */
export const podProvision = defineEvent({
  name: 'pod.provision',
  schema: z.object({ workspaceId: id, podId: id, repositoryId: id }),
  key: 'podId',
});

/** A pod changed its state. */
export const podChanged = defineEvent({
  name: 'pod.changed',
  schema: z.object({
    workspaceId: id,
    podId: id,
    repositoryId: id,
    state: z.enum(POD_STATES),
    version: z.number().int(),
  }),
  key: 'podId',
});

/** A pull request's row changed: state, checks, reviews, decision. */
export const pullRequestChanged = defineEvent({
  name: 'pull_request.changed',
  schema: z.object({
    ...task,
    pullRequestId: id,
    repositoryId: id,
    state: z.enum(PULL_REQUEST_STATES),
    version: z.number().int(),
  }),
  key: 'pullRequestId',
});

/** Command: look at this task's pull request now. */
export const pullRequestCheck = defineEvent({
  name: 'pull_request.check',
  schema: z.object(task),
  key: 'taskId',
});

/** A verified webhook was stored. */
export const deliveryReceived = defineEvent({
  name: 'delivery.received',
  schema: z.object({ workspaceId: id, deliveryId: id, repositoryId: id }),
  key: 'deliveryId',
});

/** Command: look for tickets now. */
export const ticketSourcePoll = defineEvent({
  name: 'ticket_source.poll',
  schema: z.object({ workspaceId: id, ticketSourceId: id }),
  key: 'ticketSourceId',
});

export const ticketSourceChanged = defineEvent({
  name: 'ticket_source.changed',
  schema: z.object({ workspaceId: id, ticketSourceId: id, version: z.number().int() }),
  key: 'ticketSourceId',
});

/** An effect row stands and wants to be executed by the service that holds its credential. */
export const effectRequested = defineEvent({
  name: 'effect.requested',
  schema: z.object({ ...task, effectId: id, kind: z.enum(EFFECT_KINDS) }),
  key: 'effectId',
});

/** An effect is done, or was refused for good. */
export const effectSettled = defineEvent({
  name: 'effect.settled',
  schema: z.object({ ...task, effectId: id, kind: z.enum(EFFECT_KINDS) }),
  key: 'effectId',
});

export const repositoryChanged = defineEvent({
  name: 'repository.changed',
  schema: z.object({ workspaceId: id, repositoryId: id, version: z.number().int() }),
  key: 'repositoryId',
});

/** A workspace was renamed, paused or resumed. */
export const workspaceChanged = defineEvent({
  name: 'workspace.changed',
  schema: z.object({ workspaceId: id, version: z.number().int() }),
  key: 'workspaceId',
});

export const secretChanged = defineEvent({
  name: 'secret.changed',
  schema: z.object({ workspaceId: id, secretId: id, version: z.number().int() }),
  key: 'secretId',
});

/** Command: look at this credential now; somebody asked for it. */
export const credentialCheck = defineEvent({
  name: 'credential.check',
  schema: z.object({ workspaceId: id, secretId: id }),
  key: 'secretId',
});

/** A credential's provider was asked; what it said is in its row. */
export const credentialChecked = defineEvent({
  name: 'credential.checked',
  schema: z.object({ workspaceId: id, secretId: id }),
  key: 'secretId',
});

/** A worker became ready, began to drain, or its heartbeat lapsed. */
export const workerChanged = defineEvent({
  name: 'worker.changed',
  schema: z.object({ workerId: z.string().regex(/^[\w-]+$/) }),
  key: 'workerId',
});

const logLine = z.object({
  sequence: z.number().int(),
  at: z.string(),
  kind: z.enum(LOG_KINDS),
  text: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
});

/** Lines that were just committed to run_log; at most 256 KB. Holes are filled from Postgres. */
export const logBatch = defineEvent({
  name: 'log.batch',
  transport: 'core',
  schema: z.object({ workspaceId: id, runId: id, lines: z.array(logLine) }),
  key: 'runId',
});

/** Every 2 s and at the end: the highest sequence committed. */
export const logHead = defineEvent({
  name: 'log.head',
  transport: 'core',
  schema: z.object({ workspaceId: id, runId: id, head: z.number().int(), ended: z.boolean() }),
  key: 'runId',
});

const parkedRow = { kind: z.enum(PARKED_KINDS), rowId: id };

/** A row was parked: it failed at its cap, and a person has to replay or drop it. Outbox rows are no workspace's. */
export const parkedRowChanged = defineEvent({
  name: 'parked_row.changed',
  schema: z.object({ ...parkedRow, workspaceId: id.nullable() }),
  key: 'rowId',
});

/** Somebody asked for a parked row to be replayed or dropped; its owner applies it. */
export const parkedRowRequested = defineEvent({
  name: 'parked_row.requested',
  schema: z.object({ ...parkedRow, workspaceId: id, requestId: id, owner: z.string() }),
  key: 'requestId',
});

/** The owner of a parked row answered. */
export const parkedRowAnswered = defineEvent({
  name: 'parked_row.answered',
  schema: z.object({ ...parkedRow, workspaceId: id, requestId: id }),
  key: 'requestId',
});

/** Somebody asks for a look at the agents' programs, or for a test of one; an agent runner carries it out. */
export const agentRequested = defineEvent({
  name: 'agent.requested',
  schema: z.object({ workspaceId: id, requestId: id }),
  key: 'requestId',
});

/** A look found the agents' programs changed, or a request was answered. */
export const agentChanged = defineEvent({
  name: 'agent.changed',
  schema: z.object({ workspaceId: id.optional(), agent: z.string().regex(/^[\w-]+$/), requestId: id.optional() }),
  key: 'agent',
});

/** Every event that exists. A fixture per entry is parsed in the tests for ever. */
export const CATALOG = [
  taskCreated,
  taskChanged,
  taskRequested,
  taskAnswered,
  runStart,
  runStop,
  runChanged,
  runFinished,
  podProvision,
  podChanged,
  pullRequestChanged,
  pullRequestCheck,
  deliveryReceived,
  ticketSourcePoll,
  ticketSourceChanged,
  effectRequested,
  effectSettled,
  repositoryChanged,
  workspaceChanged,
  secretChanged,
  credentialCheck,
  credentialChecked,
  workerChanged,
  parkedRowChanged,
  parkedRowRequested,
  parkedRowAnswered,
  agentRequested,
  agentChanged,
  logBatch,
  logHead,
] as const satisfies readonly EventDefinition[];
