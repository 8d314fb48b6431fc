import { z } from 'zod';
import { CHECKED_STATES, CONCLUSIVE_STATES, CREDENTIAL_STATES } from '@capstan/domain';
import { route } from '../route.js';
import { IdSchema, Instant } from './common.js';
import { SecretName } from './settings.js';

const Words = z.string().max(300).nullable().meta({ description: 'The provider’s own words, without the secret' });

export const Credential = z
  .object({
    name: z.string(),
    alternatives: z.array(z.string()).meta({ description: 'Of a missing one: any of these does as well' }),
    owner: z
      .enum(['workspace', 'mine'])
      .meta({ description: 'Whose it is; what is `mine` serves the tasks that I make, and nobody else sees it' }),
    repositoryId: IdSchema.nullable().meta({ description: 'The one repository that it is set for; null: all' }),
    neededBy: z.array(
      z.object({
        repositoryId: IdSchema,
        repository: z.string(),
        agent: z.string().nullable().meta({ description: 'Null: Capstan itself, at the repository’s forge' }),
      }),
    ),
    provider: z
      .string()
      .nullable()
      .meta({ description: 'Who is asked, e.g. Anthropic; null: nobody, its use is not known' }),
    state: z.enum(CREDENTIAL_STATES),
    words: Words,
    checkedAt: Instant.nullable(),
    lastConclusive: z
      .object({ state: z.enum(CONCLUSIVE_STATES), at: Instant })
      .nullable()
      .meta({ description: 'Of an inconclusive one: what its provider said before' }),
    checking: z.boolean().meta({ description: 'A check was asked for, or is due, and has not ended' }),
    nextVerifyAt: Instant.nullable().meta({
      description: 'From then on Verify may be asked; null where there is nothing to ask',
    }),
    setAt: Instant.nullable(),
    checks: z
      .array(
        z.object({ subject: z.string(), state: z.enum(CHECKED_STATES), words: Words, checkedAt: Instant.nullable() }),
      )
      .meta({ description: 'Each place where it is asked about: a repository, or a host; the worst decides' }),
  })
  .meta({ id: 'Credential' });
export type Credential = z.infer<typeof Credential>;

const OwnParams = z.strictObject({ name: SecretName });

export const credentialRoutes = {
  authStatus: route({
    method: 'GET',
    path: '/api/auth/status',
    permission: 'secret.own',
    tag: 'secrets',
    summary:
      'One’s own credentials, and for who may manage them the workspace’s: those that are set, or that agents and repositories need, with what their providers say of them',
    answer: z.object({ items: z.array(Credential) }),
  }),
  verifySecret: route({
    method: 'POST',
    path: '/api/secrets/:name/verify',
    permission: 'secret.manage',
    tag: 'secrets',
    summary: 'Ask a credential’s provider about it now; at most once a minute',
    params: z.strictObject({ name: SecretName }),
    query: z.strictObject({ repositoryId: IdSchema.optional() }),
    answer: Credential,
    otherwise: {
      202: 'The provider has not answered yet: checking is true',
      429: 'It was asked within the minute: Retry-After says how long to wait',
    },
  }),
  putOwnSecret: route({
    method: 'PUT',
    path: '/api/me/secrets/:name',
    permission: 'secret.own',
    tag: 'secrets',
    summary: 'Set a credential of one’s own, for the runs of the tasks that one makes; holds from the next run on',
    params: OwnParams,
    body: z.strictObject({ value: z.string().min(1).max(20_000) }).meta({ id: 'OwnSecret' }),
    answer: z.object({ name: z.string(), setAt: Instant, version: z.number().int() }),
  }),
  deleteOwnSecret: route({
    method: 'DELETE',
    path: '/api/me/secrets/:name',
    permission: 'secret.own',
    tag: 'secrets',
    summary: 'Forget a credential of one’s own',
    params: OwnParams,
    status: 204,
  }),
  verifyOwnSecret: route({
    method: 'POST',
    path: '/api/me/secrets/:name/verify',
    permission: 'secret.own',
    tag: 'secrets',
    summary: 'Ask the provider about a credential of one’s own now; at most once a minute',
    params: OwnParams,
    answer: Credential,
    otherwise: {
      202: 'The provider has not answered yet: checking is true',
      429: 'It was asked within the minute: Retry-After says how long to wait',
    },
  }),
} as const;
