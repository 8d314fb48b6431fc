import { z } from 'zod';

export const IdSchema = z.uuid().meta({ description: 'UUIDv7' });
export const Instant = z.iso.datetime({ offset: true }).meta({ description: 'UTC, ISO 8601 with milliseconds' });
export const Money = z
  .string()
  .regex(/^\d+(\.\d{1,6})?$/)
  .meta({ description: 'US dollars as a decimal string', example: '0.42' });

/** Keyset pagination: pass `next` of one page as `cursor` of the following. */
export const PageQuery = z.strictObject({
  cursor: z.string().max(500).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

export const ActorSchema = z
  .object({
    kind: z.enum(['user', 'service', 'forge', 'tracker']),
    id: z.string(),
    name: z.string().nullable().meta({ description: 'Display name where it is known' }),
  })
  .meta({ id: 'Actor' });

/** RFC 9457. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string(),
    detail: z.string(),
    field: z.string().optional(),
    remedy: z.string().optional(),
    issues: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    requestId: z.string(),
    retryAfterMs: z.number().int().optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;
