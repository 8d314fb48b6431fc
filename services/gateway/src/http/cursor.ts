import { z } from 'zod';
import { UserError } from '@capstan/domain';

/** Where a page of a list that is ordered by time ended. */
export interface Cursor {
  /** Microseconds since 1970, as Postgres counts them. */
  readonly atUs: string;
  readonly id: string;
}

const CursorSchema = z.strictObject({
  of: z.string(),
  at: z.string().regex(/^\d{1,16}$/),
  id: z.uuid(),
});

/** @param of the list that it belongs to; a cursor of another list is refused. */
export function writeCursor(of: string, { atUs, id }: Cursor): string {
  return Buffer.from(JSON.stringify({ of, at: atUs, id })).toString('base64url');
}

/** @throws UserError 422 for anything that {@link writeCursor} didn't write for this list. */
export function readCursor(of: string, cursor: string | undefined): Cursor | null {
  if (cursor === undefined) return null;
  try {
    if (!/^[\w-]+$/.test(cursor)) throw new TypeError('not base64url');
    const parsed = CursorSchema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    if (parsed.of !== of) throw new TypeError('of another list');
    return { atUs: parsed.at, id: parsed.id };
  } catch (error) {
    throw new UserError('cursor: not a cursor of this list', {
      code: 'invalid_cursor',
      status: 422,
      field: 'cursor',
      issues: [{ field: 'cursor', message: 'not a cursor of this list' }],
      remedy: 'Pass what `next` of the previous page says, or none for the first page.',
      cause: error,
    });
  }
}

/** SQL for microseconds of a timestamp column, and back. */
export const usOf = (column: string): string => `(extract(epoch from ${column}) * 1000000)::bigint::text`;
export const fromUs = (parameter: string): string =>
  `(timestamptz 'epoch' + ${parameter}::bigint * interval '1 microsecond')`;

/** One page of rows that were read with one row more than asked for. */
export function pageOfRows<Row extends { readonly atUs: string; readonly id: string }>(
  of: string,
  rows: readonly Row[],
  limit: number,
): { readonly rows: readonly Row[]; readonly next: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { rows: page, next: rows.length > limit && last !== undefined ? writeCursor(of, last) : null };
}
