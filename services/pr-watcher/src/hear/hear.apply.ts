import type { Database, Delivery } from '@capstan/database';
import { forge } from '@capstan/forges';

/**
 * Wakes the pull requests that a delivery touches, for a whole look, and notes which of them it is about. With `missed`
 * those alone that have not been looked at since it came, and would not be for long.
 * @returns how many were woken.
 */
export async function hearDelivery(
  database: Database,
  delivery: Pick<Delivery, 'forge' | 'repositoryId' | 'headers' | 'body' | 'receivedAt'>,
  { missed = false }: { readonly missed?: boolean } = {},
): Promise<number> {
  const { pullRequests, branches } = forge(delivery.forge).readDelivery(delivery.headers, delivery.body);
  if (pullRequests.length === 0 && branches.length === 0) return 0;
  // A push to the base branch may make a pull request conflict; but it doesn't show that its own events are told.
  const woken = await database.query(
    `update pull_request set next_check_at = least(next_check_at, clock_timestamp()), glance_at = null,
            told_at = case when number = any($2::int[]) or branch = any($3::text[]) then clock_timestamp() else told_at end
      where repository_id = $1 and state in ('publishing','open','refused','closed')
        and (number = any($2::int[]) or branch = any($3::text[]) or base_branch = any($3::text[]))
        and (not $4 or glance_at is not null and looked_at < $5)
      returning id`,
    [delivery.repositoryId, pullRequests, branches, missed, delivery.receivedAt],
  );
  return woken.length;
}
