import type { Id } from '@capstan/domain';
import type { Database } from './database.js';

/** Tables whose rows carry `attempts, not_before, last_error, parked_at` (DESIGN §3.4). */
export const PARKING_TABLES = ['task', 'task_request', 'pod', 'run', 'ticket', 'delivery', 'effect'] as const;
export type ParkingTable = (typeof PARKING_TABLES)[number];

/** Failed attempts at a row before it is parked for a person. */
export const MAX_ROW_ATTEMPTS = 8;
const FIRST_WAIT_S = 5;
const LONGEST_WAIT_S = 600;

/** Counts a failed attempt at a row: events and resync leave it alone for a while, at the cap until a person replays it. */
export async function failRow(
  database: Database,
  table: ParkingTable,
  id: Id,
  error: string,
): Promise<{ readonly parked: boolean }> {
  const [row] = await database.query<{ parkedAt: Date | null }>(
    `update "${table}" set attempts = attempts + 1, last_error = $2,
            not_before = clock_timestamp() + least($3 * power(2, attempts), $4) * interval '1 s',
            parked_at = case when attempts + 1 >= $5 then clock_timestamp() end
      where id = $1 and parked_at is null returning parked_at`,
    [id, error.slice(0, 4_000), FIRST_WAIT_S, LONGEST_WAIT_S, MAX_ROW_ATTEMPTS],
  );
  return { parked: row?.parkedAt != null };
}

/** Sets a row aside at once. */
export async function parkRow(database: Database, table: ParkingTable, id: Id, error: string): Promise<void> {
  await database.query(
    `update "${table}" set parked_at = clock_timestamp(), last_error = $2 where id = $1 and parked_at is null`,
    [id, error.slice(0, 4_000)],
  );
}

/** Forgets former failures of a row that has just worked. */
export async function clearRow(database: Database, table: ParkingTable, id: Id): Promise<void> {
  await database.query(`update "${table}" set attempts = 0, last_error = null where id = $1 and attempts > 0`, [id]);
}
