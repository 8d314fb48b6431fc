import type { Database, Delivery } from '@capstan/database';
import type { Loops } from '@capstan/service-kit';
import { hearDelivery } from './hear.apply.js';

const EVERY_MS = 30_000;
/** By then a delivery's own event has woken whom it touches, and its transaction has long committed. ms */
const OVERDUE_MS = 15_000;

type Unheard = Pick<Delivery, 'forge' | 'repositoryId' | 'headers' | 'body' | 'receivedAt'>;

/**
 * Hears what was delivered although its event got lost: a pull request that is looked at seldom must not depend on an
 * event. What arrived before the first pass is left to the whole look that every one of them has at the start.
 */
export function hearLoop(loops: Loops, database: Database, wake: () => void): void {
  const unheard = unheardDeliveries(database);
  loops.resync<Unheard>({
    name: 'hear',
    everyMs: EVERY_MS,
    due: unheard,
    handle: async (delivery) => {
      if ((await hearDelivery(database, delivery, { missed: true })) > 0) wake();
    },
  });
}

/** Each call answers those that came due since the last one and may concern a pull request that is looked at seldom. */
export function unheardDeliveries(
  database: Database,
  overdueMs = OVERDUE_MS,
): (limit: number) => Promise<readonly Unheard[]> {
  let from: string | undefined;
  return async (limit) => {
    const [clock] = await database.query<{ until: string }>(
      `select (clock_timestamp() - $1 * interval '1 ms')::text as until`,
      [overdueMs],
    );
    const { until } = clock!;
    const rows =
      from === undefined
        ? []
        : await database.query<Unheard & { readonly at: string }>(
            `select forge, repository_id, headers, body, received_at, received_at::text as at from delivery
              where received_at > $1::timestamptz and received_at <= $2::timestamptz and parked_at is null
                and exists (select from pull_request pr where pr.repository_id = delivery.repository_id
                             and pr.glance_at is not null and pr.looked_at < delivery.received_at)
              order by received_at limit $3`,
            [from, until, limit],
          );
    from = rows.length === limit ? rows.at(-1)!.at : until;
    return rows;
  };
}
