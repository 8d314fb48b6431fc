import { z } from 'zod';
import { PARKED_ACTIONS, PARKED_KINDS } from '@capstan/domain';
import { route } from '../route.js';
import { IdSchema, Instant, PageQuery, pageOf } from './common.js';
import { Explanation } from './tasks.js';

/** Something that failed more often than is tried and waits for a person. */
export const ParkedRow = z
  .object({
    kind: z.enum(PARKED_KINDS),
    id: IdSchema,
    shortId: z.string(),
    subject: z.string().meta({ description: 'What it is, in a few words' }),
    task: z.object({ id: IdSchema, shortId: z.string(), title: z.string() }).nullable(),
    repository: z.object({ id: IdSchema, fullName: z.string() }).nullable(),
    attempts: z.number().int(),
    lastError: Explanation.extend({
      code: z.string().nullable().meta({ description: 'Symptom, where the registry has one' }),
      title: z.string().nullable(),
    }).meta({ id: 'ParkedError' }),
    parkedAt: Instant,
    holds: z.string().nullable().meta({ description: 'What nobody else gets while it is parked' }),
    dropMeans: z.string().meta({ description: 'What dropping it comes to' }),
    asked: z.enum(PARKED_ACTIONS).nullable().meta({ description: 'What somebody asked already, unanswered yet' }),
  })
  .meta({ id: 'ParkedRow' });
export type ParkedRow = z.infer<typeof ParkedRow>;

export const ParkedPage = pageOf(ParkedRow).extend({
  counts: z.partialRecord(z.enum(PARKED_KINDS), z.number().int()).meta({ description: 'Of all pages, by kind' }),
  total: z.number().int(),
});
export type ParkedPage = z.infer<typeof ParkedPage>;

export const ParkedRequest = z
  .object({
    id: IdSchema,
    kind: z.enum(PARKED_KINDS),
    rowId: IdSchema,
    action: z.enum(PARKED_ACTIONS),
    createdAt: Instant,
    answeredAt: Instant.nullable(),
    answer: z
      .object({ applied: z.boolean(), code: z.string(), detail: z.string(), remedy: z.string().optional() })
      .nullable(),
  })
  .meta({ id: 'ParkedRequest' });
export type ParkedRequest = z.infer<typeof ParkedRequest>;

const RowParams = z.strictObject({
  kind: z.enum(PARKED_KINDS),
  rowId: z.string().min(8).max(36).meta({ description: 'Id, or the short id' }),
});

function parkedAction(action: string, summary: string) {
  return route({
    method: 'POST',
    path: `/api/parked/:kind/:rowId/${action}`,
    permission: 'parked.manage',
    tag: 'parked',
    summary,
    params: RowParams,
    body: z.strictObject({ reason: z.string().max(500).optional() }).optional(),
    answer: ParkedRequest,
    otherwise: {
      202: 'The request stands and is not answered yet; see its address',
      409: 'It can not be dropped without losing something; the remedy says what to do instead',
    },
  });
}

export const parkedRoutes = {
  listParked: route({
    method: 'GET',
    path: '/api/parked',
    permission: 'parked.read',
    tag: 'parked',
    summary: 'Everything that failed more often than is tried and waits for a person, newest first',
    query: PageQuery.extend({ kind: z.enum(PARKED_KINDS).optional() }),
    answer: ParkedPage,
  }),
  replayParked: parkedAction('replay', 'Have it tried again from the start; harmless when it is not parked any more'),
  dropParked: parkedAction('drop', 'Decide that it is not to be done; harmless when it is not parked any more'),
  replayAllParked: route({
    method: 'POST',
    path: '/api/parked/replay-all',
    permission: 'parked.manage',
    tag: 'parked',
    summary: 'Have everything that is parked, or everything of a kind, tried again',
    body: z.strictObject({ kind: z.enum(PARKED_KINDS).optional() }).optional(),
    answer: z.object({ requested: z.number().int() }),
    status: 202,
  }),
  parkedRequest: route({
    method: 'GET',
    path: '/api/parked-requests/:requestId',
    permission: 'parked.read',
    tag: 'parked',
    summary: 'What became of a replay or a drop',
    params: z.strictObject({ requestId: IdSchema }),
    answer: ParkedRequest,
  }),
} as const;
