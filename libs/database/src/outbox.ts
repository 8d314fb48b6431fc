import type { Database, OutboxRow } from './database.js';

/** How long a claimed row is left alone by other sweepers, ms. */
const CLAIM_MS = 10_000;

/** Claims rows that a dead sibling left, oldest first. Several sweepers never get the same row. */
export async function claimOutbox(
  database: Database,
  { limit, olderThanMs }: { readonly limit: number; readonly olderThanMs: number },
): Promise<OutboxRow[]> {
  return database.query<OutboxRow>(
    `update outbox set claimed_until = clock_timestamp() + $3 * interval '1 ms'
      where id in (select id from outbox
                    where parked_at is null and (not_before is null or not_before <= clock_timestamp())
                      and created_at < clock_timestamp() - $2 * interval '1 ms'
                      and (claimed_until is null or claimed_until < clock_timestamp())
                    order by created_at limit $1 for update skip locked)
      returning id, event, subject, payload, traceparent, created_at`,
    [limit, olderThanMs, CLAIM_MS],
  );
}

/** Forgets rows that the broker acknowledged. */
export async function deleteOutbox(database: Database, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await database.query('delete from outbox where id = any($1)', [ids]);
}

/** How many events wait, and for how long the oldest does, in ms. */
export async function outboxBacklog(database: Database): Promise<{ readonly rows: number; readonly oldestMs: number }> {
  const [row] = await database.query<{ rows: number; oldestMs: number }>(
    `select count(*)::int as rows, coalesce(extract(epoch from clock_timestamp() - min(created_at)) * 1000, 0)::float as oldest_ms
       from outbox where parked_at is null`,
  );
  return row!;
}
