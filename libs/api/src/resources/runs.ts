import { z } from 'zod';
import { CHECK_SUMMARIES, LOG_KINDS, MERGE_METHODS, PULL_REQUEST_STATES, REVIEW_SUMMARIES } from '@capstan/domain';
import { route } from '../route.js';
import { IdSchema, Instant } from './common.js';
import { Run } from './tasks.js';

export const LogLineSchema = z
  .object({
    sequence: z.number().int(),
    at: Instant,
    kind: z.enum(LOG_KINDS),
    text: z.string(),
    data: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'LogLine' });

export const LogPage = z
  .object({
    runId: IdSchema,
    lines: z.array(LogLineSchema),
    head: z.number().int().meta({ description: 'Highest sequence stored when this was read' }),
    ended: z.boolean().meta({ description: 'The run is over: no line will follow the head' }),
    expiredAt: Instant.nullable().meta({ description: 'Since when the log is kept no longer: no line is answered' }),
  })
  .meta({ id: 'LogPage' });
export type LogPage = z.infer<typeof LogPage>;

export const Check = z
  .object({
    name: z.string(),
    source: z.enum(['check_run', 'status']),
    state: z.enum(['pending', 'success', 'failure', 'neutral', 'skipped']),
    required: z.boolean(),
    url: z.string().nullable(),
    summary: z.string().nullable(),
  })
  .meta({ id: 'Check' });

export const Review = z
  .object({
    author: z.string(),
    state: z.enum(['approved', 'changes_requested', 'commented', 'dismissed']),
    body: z.string(),
    submittedAt: Instant,
  })
  .meta({ id: 'Review' });

export const PullRequest = z
  .object({
    id: IdSchema,
    taskId: IdSchema,
    repositoryId: IdSchema,
    number: z.number().int().nullable(),
    url: z.string().nullable(),
    title: z.string(),
    branch: z.string(),
    baseBranch: z.string(),
    state: z.enum(PULL_REQUEST_STATES),
    headSha: z.string().nullable(),
    checks: z.enum(CHECK_SUMMARIES),
    reviews: z.enum(REVIEW_SUMMARIES),
    mergeable: z.string().nullable().meta({ description: "The forge's own word" }),
    mergeMethod: z.enum(MERGE_METHODS),
    refusal: z.string().nullable(),
    decision: z.string().nullable().meta({ description: 'What Capstan decided last, and why, in one sentence' }),
    checkList: z.array(Check),
    reviewList: z.array(Review),
    openedAt: Instant.nullable(),
    mergedAt: Instant.nullable(),
    mergeCommit: z.string().nullable(),
    closedAt: Instant.nullable(),
    closedBy: z.string().nullable(),
    lastCheckedAt: Instant.nullable(),
    nextCheckAt: Instant.nullable(),
    version: z.number().int(),
  })
  .meta({ id: 'PullRequest' });
export type PullRequest = z.infer<typeof PullRequest>;

export const RunNetwork = z
  .object({
    runId: IdSchema,
    hosts: z
      .array(
        z.object({
          host: z.string(),
          port: z.number().int(),
          verdict: z.enum(['allowed', 'blocked']),
          reason: z.string().nullable().meta({ description: 'Why it was blocked' }),
          client: z
            .string()
            .nullable()
            .meta({ description: 'What the program that asked last calls itself; it may lie' }),
          connections: z.number().int(),
          bytesUp: z.number().int(),
          bytesDown: z.number().int(),
          firstAt: Instant,
          lastAt: Instant,
        }),
      )
      .meta({ description: 'What the agent asked egress for, blocked hosts first' }),
    models: z
      .array(
        z.object({
          provider: z.string(),
          model: z.string(),
          calls: z.number().int(),
          inputTokens: z.number().int(),
          outputTokens: z.number().int(),
          cacheReadTokens: z.number().int(),
          cacheWriteTokens: z.number().int(),
          costUsd: z.string().nullable().meta({ description: 'Null where no price is known' }),
        }),
      )
      .meta({ description: 'Calls to models as egress counted them in the answers' }),
  })
  .meta({ id: 'RunNetwork' });
export type RunNetwork = z.infer<typeof RunNetwork>;

const RunParams = z.strictObject({ runId: IdSchema });

export const runRoutes = {
  run: route({
    method: 'GET',
    path: '/api/runs/:runId',
    permission: 'task.read',
    tag: 'runs',
    summary: 'One run',
    params: RunParams,
    answer: Run,
  }),
  runLog: route({
    method: 'GET',
    path: '/api/runs/:runId/log',
    permission: 'task.read',
    tag: 'runs',
    summary: "A run's log lines after a sequence number, in order; follow on over Socket.IO from the head",
    params: RunParams,
    query: z.strictObject({
      after: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(5000).default(1000),
    }),
    answer: LogPage,
  }),
  runNetwork: route({
    method: 'GET',
    path: '/api/runs/:runId/network',
    permission: 'task.read',
    tag: 'runs',
    summary: 'What a run asked of the world: hosts, allowed and blocked, and models',
    params: RunParams,
    answer: RunNetwork,
  }),
  pullRequest: route({
    method: 'GET',
    path: '/api/pull-requests/:pullRequestId',
    permission: 'task.read',
    tag: 'runs',
    summary: 'One pull request with its checks and reviews',
    params: z.strictObject({ pullRequestId: IdSchema }),
    answer: PullRequest,
  }),
  listPullRequests: route({
    method: 'GET',
    path: '/api/pull-requests',
    permission: 'task.read',
    tag: 'runs',
    summary: 'Pull requests, newest first',
    query: z.strictObject({
      taskId: IdSchema.optional(),
      state: z.enum(PULL_REQUEST_STATES).optional(),
      cursor: z.string().max(500).optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    answer: z.object({ items: z.array(PullRequest), next: z.string().nullable() }),
  }),
} as const;
