import { z } from 'zod';
import {
  BOARD_COLUMNS,
  CHECK_SUMMARIES,
  OUTCOME_KINDS,
  PULL_REQUEST_STATES,
  REVIEW_SUMMARIES,
  RUN_REASONS,
  RUN_STATES,
  TASK_INTENTS,
  TASK_KINDS,
  TASK_REQUEST_KINDS,
  TASK_STATES,
} from '@capstan/domain';
import { route } from '../route.js';
import { ActorSchema, IdSchema, Instant, Money, PageQuery, pageOf } from './common.js';

/** Why something waits or went wrong, rendered from the symptom registry. */
export const Explanation = z
  .object({
    code: z.string(),
    title: z.string(),
    detail: z.string(),
    remedy: z.string().nullable(),
  })
  .meta({ id: 'Explanation' });
export type Explanation = z.infer<typeof Explanation>;

const wholeNumber = (least: number, most: number, words: string) => {
  const expected = `expected a whole number of ${words} from ${least} to ${most}`;
  return z.int({ error: expected }).min(least, expected).max(most, expected);
};
const COST = 'expected US dollars from 0 to 10000';
const limits = {
  maxRunMinutes: wholeNumber(1, 1_440, 'minutes').meta({ description: 'Minutes that one run may last' }),
  maxCostUsd: z
    .number({ error: COST })
    .min(0, COST)
    .max(10_000, COST)
    .meta({ description: 'US dollars that a task may cost over all its runs' }),
  maxTurns: wholeNumber(1, 10_000, 'turns').meta({ description: 'Turns of the agent in one run' }),
  stallMinutes: wholeNumber(1, 1_440, 'minutes').meta({
    description: 'Minutes without a line after which a run is shown as stalled; it goes on',
  }),
};

export const LimitsPatch = z.strictObject(limits).partial().meta({ id: 'LimitsPatch' });

/** A task's own limits; null gives one back to the repository. */
export const TaskLimitsPatch = z
  .strictObject({
    maxRunMinutes: limits.maxRunMinutes.nullable(),
    maxCostUsd: limits.maxCostUsd.nullable(),
    maxTurns: limits.maxTurns.nullable(),
    stallMinutes: limits.stallMinutes.nullable(),
  })
  .partial()
  .meta({ id: 'TaskLimitsPatch' });

export const PullRequestSummary = z
  .object({
    id: IdSchema,
    number: z.number().int().nullable(),
    url: z.string().nullable(),
    state: z.enum(PULL_REQUEST_STATES),
    checks: z.enum(CHECK_SUMMARIES),
    reviews: z.enum(REVIEW_SUMMARIES),
  })
  .meta({ id: 'PullRequestSummary' });

export const Task = z
  .object({
    id: IdSchema,
    shortId: z.string(),
    kind: z.enum(TASK_KINDS),
    title: z.string(),
    state: z.enum(TASK_STATES),
    column: z.enum(BOARD_COLUMNS),
    priority: z.number().int(),
    repository: z.object({ id: IdSchema, fullName: z.string() }),
    agent: z.string(),
    intent: z.enum(TASK_INTENTS).nullable(),
    waiting: Explanation.extend({ position: z.number().int().nullable() }).nullable(),
    attention: Explanation.nullable().meta({ description: 'Why it failed, or what a person has to do' }),
    branch: z.string().nullable(),
    ticket: z.object({ key: z.string(), url: z.string() }).nullable(),
    pullRequest: PullRequestSummary.nullable(),
    currentRunId: IdSchema.nullable(),
    runCount: z.number().int(),
    costUsd: Money,
    agentUnconfirmed: z.boolean(),
    stalled: z.boolean(),
    stalledSince: Instant.nullable().meta({ description: 'When the stalled run printed its last line, or began' }),
    isolation: z.enum(['isolated', 'not_isolated']).nullable(),
    createdAt: Instant,
    updatedAt: Instant,
    startedAt: Instant.nullable(),
    endedAt: Instant.nullable(),
    version: z.number().int(),
  })
  .meta({ id: 'Task' });
export type Task = z.infer<typeof Task>;

export const TaskEvent = z
  .object({
    id: IdSchema,
    taskId: IdSchema,
    at: Instant,
    kind: z.enum(['created', 'transition', 'waiting', 'request', 'effect', 'run', 'note']),
    /** Set for transitions. */
    from: z.enum(TASK_STATES).nullable(),
    to: z.enum(TASK_STATES).nullable(),
    cause: z.string().meta({ description: 'One sentence for people' }),
    actor: ActorSchema,
    traceId: z.string().nullable(),
  })
  .meta({ id: 'TaskEvent' });
export type TaskEvent = z.infer<typeof TaskEvent>;

export const Run = z
  .object({
    id: IdSchema,
    taskId: IdSchema,
    number: z.number().int(),
    reason: z.enum(RUN_REASONS),
    state: z.enum(RUN_STATES),
    agent: z.string(),
    podId: IdSchema.nullable(),
    slot: z.number().int(),
    outcome: z
      .object({
        kind: z.enum(OUTCOME_KINDS),
        detail: z.string(),
        symptom: z.string().nullable(),
        commitCount: z.number().int().nullable(),
        head: z.string().nullable(),
      })
      .nullable(),
    usage: z.array(
      z.object({
        model: z.string(),
        inputTokens: z.number().int(),
        outputTokens: z.number().int(),
        cacheReadTokens: z.number().int(),
        cacheWriteTokens: z.number().int(),
        costUsd: Money.nullable(),
      }),
    ),
    costUsd: Money,
    logLines: z.number().int(),
    logExpiredAt: Instant.nullable().meta({ description: 'Since when the log is kept no longer' }),
    lastLineAt: Instant.nullable(),
    stalledAt: Instant.nullable(),
    placedAt: Instant,
    launchedAt: Instant.nullable(),
    finishedAt: Instant.nullable(),
    deadlineAt: Instant.nullable(),
    version: z.number().int(),
  })
  .meta({ id: 'Run' });
export type Run = z.infer<typeof Run>;

export const TASK_ACTIONS = [
  'message',
  'interrupt',
  'cancel',
  'retry',
  'force_restart',
  'force_redo',
  'check_now',
] as const;

export const TaskDetail = Task.extend({
  body: z.string(),
  baseBranch: z.string(),
  limits: z.object({
    maxRunMinutes: z.number(),
    maxCostUsd: z.number(),
    maxTurns: z.number(),
    stallMinutes: z.number(),
  }),
  ownLimits: LimitsPatch.meta({ description: "Those that are the task's own; the others are its repository's" }),
  dependsOn: z.array(z.object({ id: IdSchema, shortId: z.string(), title: z.string(), state: z.enum(TASK_STATES) })),
  neededBy: z.array(z.object({ id: IdSchema, shortId: z.string(), title: z.string(), state: z.enum(TASK_STATES) })),
  runs: z.array(Run),
  actions: z.array(z.object({ kind: z.enum(TASK_ACTIONS), allowed: z.boolean(), reason: z.string().nullable() })),
  traceId: z.string().nullable(),
}).meta({ id: 'TaskDetail' });
export type TaskDetail = z.infer<typeof TaskDetail>;

export const CreateTask = z
  .strictObject({
    repositoryId: IdSchema,
    title: z.string().trim().min(1).max(300),
    body: z.string().max(100_000).default(''),
    kind: z.enum(TASK_KINDS).default('change'),
    priority: z.number().int().min(0).max(10_000).default(100).meta({ description: 'Lower runs first' }),
    dependsOn: z.array(IdSchema).max(50).default([]),
    baseBranch: z.string().min(1).max(200).optional(),
    limits: LimitsPatch.optional(),
  })
  .meta({ id: 'CreateTask' });
export type CreateTask = z.input<typeof CreateTask>;

export const TaskRequest = z
  .object({
    id: IdSchema,
    taskId: IdSchema,
    kind: z.enum(TASK_REQUEST_KINDS),
    createdAt: Instant,
    answeredAt: Instant.nullable(),
    answer: z.object({ applied: z.boolean(), code: z.string(), detail: z.string() }).nullable(),
  })
  .meta({ id: 'TaskRequest' });
export type TaskRequest = z.infer<typeof TaskRequest>;

export const BoardAnswer = z
  .object({
    columns: z.array(z.object({ column: z.enum(BOARD_COLUMNS), total: z.number().int(), items: z.array(Task) })),
  })
  .meta({ id: 'Board' });
export type Board = z.infer<typeof BoardAnswer>;

const TaskParams = z.strictObject({ taskId: z.string().min(8).max(36).meta({ description: 'Id, or the short id' }) });
const TaskQuery = PageQuery.extend({
  state: z.enum(TASK_STATES).optional(),
  column: z.enum(BOARD_COLUMNS).optional(),
  repositoryId: IdSchema.optional(),
  search: z.string().max(200).optional(),
});
const asked = { 202: 'The request stands and is not answered yet; see its address', 409: 'Refused in this state' };

function taskAction(kind: string, summary: string) {
  return route({
    method: 'POST',
    path: `/api/tasks/:taskId/${kind}`,
    permission: 'task.write',
    tag: 'tasks',
    summary,
    params: TaskParams,
    body: z.strictObject({ reason: z.string().max(500).optional() }).optional(),
    answer: TaskRequest,
    otherwise: asked,
  });
}

export const taskRoutes = {
  board: route({
    method: 'GET',
    path: '/api/board',
    permission: 'task.read',
    tag: 'tasks',
    summary: 'The board: each column with its total and its first tasks',
    query: z.strictObject({
      repositoryId: IdSchema.optional(),
      search: z.string().max(200).optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    answer: BoardAnswer,
  }),
  listTasks: route({
    method: 'GET',
    path: '/api/tasks',
    permission: 'task.read',
    tag: 'tasks',
    summary: 'Tasks, newest first',
    query: TaskQuery,
    answer: pageOf(Task),
  }),
  createTask: route({
    method: 'POST',
    path: '/api/tasks',
    permission: 'task.write',
    tag: 'tasks',
    summary: 'Queue a task; the header Idempotency-Key makes a repeat answer as the first did',
    body: CreateTask,
    answer: Task,
    status: 201,
  }),
  task: route({
    method: 'GET',
    path: '/api/tasks/:taskId',
    permission: 'task.read',
    tag: 'tasks',
    summary: 'One task whole',
    params: TaskParams,
    answer: TaskDetail,
  }),
  taskEvents: route({
    method: 'GET',
    path: '/api/tasks/:taskId/events',
    permission: 'task.read',
    tag: 'tasks',
    summary: "A task's life, oldest first",
    params: TaskParams,
    query: PageQuery,
    answer: pageOf(TaskEvent),
  }),
  cancelTask: taskAction('cancel', 'Stop the agent and give the task up'),
  retryTask: taskAction('retry', 'Queue a task that failed, was cancelled or needs attention; keeps its branch'),
  restartTask: taskAction('force-restart', 'Stop the agent and start it anew on the same branch'),
  redoTask: taskAction('force-redo', 'Close the pull request, forget the work and start on a new branch'),
  checkTask: taskAction('check-now', 'Look at the pull request now'),
  messageTask: route({
    method: 'POST',
    path: '/api/tasks/:taskId/message',
    permission: 'task.write',
    tag: 'tasks',
    summary: 'Say something to the agent: at once if it listens, else with the next run, which is queued for it',
    params: TaskParams,
    body: z.strictObject({ text: z.string().trim().min(1).max(20_000) }),
    answer: TaskRequest,
    otherwise: asked,
  }),
  interruptTask: taskAction(
    'interrupt',
    'Ask the agent to end its present turn; one that can not do that is left alone',
  ),
  setTaskLimits: route({
    method: 'PATCH',
    path: '/api/tasks/:taskId/limits',
    permission: 'task.write',
    tag: 'tasks',
    summary: "Change the task's own limits; cost counts at once, the others from the next run on",
    params: TaskParams,
    body: TaskLimitsPatch,
    answer: TaskRequest,
    otherwise: asked,
  }),
  reprioritizeTask: route({
    method: 'PATCH',
    path: '/api/tasks/:taskId',
    permission: 'task.write',
    tag: 'tasks',
    summary: 'Change the priority',
    params: TaskParams,
    body: z.strictObject({ priority: z.number().int().min(0).max(10_000) }),
    answer: TaskRequest,
    otherwise: asked,
  }),
  setDependencies: route({
    method: 'PUT',
    path: '/api/tasks/:taskId/dependencies',
    permission: 'task.write',
    tag: 'tasks',
    summary: 'Say which tasks a waiting or queued task waits for; a cycle is refused',
    params: TaskParams,
    body: z.strictObject({ dependsOn: z.array(IdSchema).max(50) }),
    answer: TaskRequest,
    otherwise: asked,
  }),
  cancelActive: route({
    method: 'POST',
    path: '/api/tasks/bulk/cancel-active',
    permission: 'task.write',
    tag: 'tasks',
    summary: 'Ask every waiting, queued, provisioning and running task to be cancelled',
    body: z.strictObject({ repositoryId: IdSchema.optional() }).optional(),
    answer: z.object({ requested: z.number().int() }),
    status: 202,
  }),
  retryFailed: route({
    method: 'POST',
    path: '/api/tasks/bulk/retry-failed',
    permission: 'task.write',
    tag: 'tasks',
    summary: 'Ask every failed task to be retried',
    body: z.strictObject({ repositoryId: IdSchema.optional() }).optional(),
    answer: z.object({ requested: z.number().int() }),
    status: 202,
  }),
  request: route({
    method: 'GET',
    path: '/api/requests/:requestId',
    permission: 'task.read',
    tag: 'tasks',
    summary: 'What became of a request',
    params: z.strictObject({ requestId: IdSchema }),
    answer: TaskRequest,
  }),
} as const;
