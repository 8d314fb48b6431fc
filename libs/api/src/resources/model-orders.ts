import { z } from 'zod';
import { MAX_MODEL_ORDER, MODEL_PROTOCOLS } from '@capstan/domain';
import { route } from '../route.js';
import { Instant } from './common.js';
import { SecretName } from './settings.js';

const ModelName = z
  .string()
  .max(200)
  .regex(/^(\*|[A-Za-z0-9][\w./:@+-]*)$/, 'expected the name of a model, or * for every other');

/** One step: a key or an account of the protocol's own provider, or another provider that answers in the protocol. */
export const ModelOrderEntry = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('key'), secret: SecretName }),
    z.strictObject({
      kind: z.literal('compatible'),
      baseUrl: z.url({ protocol: /^https?$/, error: 'expected an https address' }).max(500),
      secret: SecretName,
      models: z
        .record(ModelName, ModelName)
        .default({})
        .meta({ description: 'What models are called there, by the name that agents ask for; * is every other' }),
    }),
  ])
  .meta({ id: 'ModelOrderEntry' });
export type ModelOrderEntry = z.infer<typeof ModelOrderEntry>;

export const ModelOrder = z
  .object({
    protocol: z.enum(MODEL_PROTOCOLS),
    entries: z
      .array(ModelOrderEntry)
      .meta({ description: 'First to last; none: keys by their names, the provider’s own only' }),
    unset: z
      .array(z.string())
      .meta({ description: 'Those of its secrets that are not set: their steps are passed over' }),
    changedAt: Instant.nullable(),
  })
  .meta({ id: 'ModelOrder' });
export type ModelOrder = z.infer<typeof ModelOrder>;

export const modelOrderRoutes = {
  listModelOrders: route({
    method: 'GET',
    path: '/api/model-orders',
    permission: 'secret.manage',
    tag: 'secrets',
    summary: 'In which order keys, accounts and compatible providers are asked, by protocol',
    answer: z.object({ items: z.array(ModelOrder) }),
  }),
  putModelOrder: route({
    method: 'PUT',
    path: '/api/model-orders/:protocol',
    permission: 'secret.manage',
    tag: 'secrets',
    summary: 'Set the order of a protocol; holds within seconds, also for agents at work. An empty one takes it away',
    params: z.strictObject({ protocol: z.enum(MODEL_PROTOCOLS) }),
    body: z.strictObject({ entries: z.array(ModelOrderEntry).max(MAX_MODEL_ORDER) }).meta({ id: 'PutModelOrder' }),
    answer: ModelOrder,
  }),
} as const;
