import { z } from 'zod';
import { route } from '../route.js';
import { IdSchema, Instant } from './common.js';
import { Explanation } from './tasks.js';

export const AgentProgram = z
  .object({
    name: z.string().meta({ description: 'As it is looked for on the search path' }),
    package: z.string().meta({ description: 'Its package on npm' }),
    tried: z.string().meta({ description: 'The version that Capstan was tried with' }),
  })
  .meta({ id: 'AgentProgram' });

export const AgentMachine = z
  .object({
    host: z.string(),
    path: z.string().nullable().meta({ description: 'Where it was found; null: not on the search path' }),
    version: z.string().nullable(),
    older: z.boolean().meta({ description: 'Older than the version that Capstan was tried with' }),
    problem: Explanation.nullable().meta({ description: 'Why it can not be started, or does not tell its version' }),
    logIn: z
      .object({
        state: z.enum(['usable', 'expired', 'unusable']),
        place: z.string(),
        words: z.string(),
        secrets: z.array(z.string()).meta({ description: 'Secrets that it stands in for' }),
      })
      .nullable()
      .meta({ description: 'Its log-in there; null: none, or none is looked for' }),
    lookedAt: Instant,
  })
  .meta({ id: 'AgentMachine' });

export const AgentFix = z
  .object({
    words: z.string(),
    command: z.string().nullable().meta({ description: 'To be run on the machine that starts agents' }),
  })
  .meta({ id: 'AgentFix' });

export const AgentTest = z
  .object({
    id: IdSchema,
    repositoryId: IdSchema.nullable().meta({ description: 'Whose settings and secrets it had; null: the workspace’s' }),
    state: z.enum(['waiting', 'running', 'passed', 'failed']),
    askedAt: Instant,
    answeredAt: Instant.nullable(),
    words: z.string().meta({ description: 'What the agent said' }),
    durationMs: z.number().int().nullable(),
    costUsd: z.string().nullable().meta({ description: 'US dollars; null: not known' }),
    isolation: z.enum(['isolated', 'not_isolated']).nullable(),
    failure: Explanation.nullable(),
  })
  .meta({ id: 'AgentTest' });
export type AgentTest = z.infer<typeof AgentTest>;

export const agentRoutes = {
  lookAtAgents: route({
    method: 'POST',
    path: '/api/agents/look',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Look for the agents’ programs and log-ins now; that is done every five minutes by itself',
    answer: z.object({ done: z.boolean() }),
    otherwise: {
      202: 'An agent runner is still looking, or none is there',
      429: 'It was asked for a moment ago: Retry-After says how long to wait',
    },
  }),
  testAgent: route({
    method: 'POST',
    path: '/api/agents/:name/test',
    permission: 'repository.manage',
    tag: 'repositories',
    summary: 'Give an agent one line to answer, by the way of every run: at most a minute and half a dollar',
    params: z.strictObject({ name: z.string().min(1).max(50) }),
    body: z.strictObject({
      repositoryId: IdSchema.optional().meta({ description: 'Whose settings and secrets it is to have' }),
    }),
    answer: AgentTest,
    status: 202,
    otherwise: {
      409: 'A test of it is going on',
      429: 'It was tested a moment ago: Retry-After says how long to wait',
    },
  }),
} as const;
