import { createHash } from 'node:crypto';
import type { Database, Tx } from '@capstan/database';
import { TooOften } from '../http/problem.js';

/** Wrong passwords that lock an account or an address. */
const MAX_FAILURES = 5;
/** For how long. */
const LOCK_MINUTES = 15;
/** Wait for somebody who comes while as many attempts are being looked at as are left, ms. */
const CROWD_MS = 1_000;

/** What is counted together. */
export interface AttemptKeys {
  readonly account: string;
  readonly address: string;
}

export function attemptKeys(email: string, address: string): AttemptKeys {
  const account = createHash('sha256').update(email.trim().toLowerCase()).digest('hex');
  return { account: `account:${account}`, address: `address:${address}` };
}

/**
 * Counts an attempt before its password is looked at, so that many at once can't try more than five.
 * @throws TooOften while the account or the address is locked.
 */
export async function countAttempt(database: Database, keys: AttemptKeys): Promise<void> {
  const waitMs = await database.transaction(async (tx) => {
    // In one order everywhere, so that two of them never wait for each other.
    const account = await look(tx, keys.account);
    const address = await look(tx, keys.address);
    const longest = Math.max(account.waitMs, address.waitMs);
    if (longest > 0) return longest;
    await tx.query(
      `update sign_in_attempt set failures = case when key = any($2) then 1 else failures + 1 end,
              locked_until = null, updated_at = clock_timestamp() where key = any($1)`,
      [[keys.account, keys.address], [account, address].filter(({ old }) => old).map(({ key }) => key)],
    );
    return 0;
  });
  if (waitMs > 0)
    throw new TooOften('Too many wrong passwords; signing in is locked for a while', waitMs, {
      code: 'sign_in_locked',
    });
}

async function look(tx: Tx, key: string): Promise<{ key: string; waitMs: number; old: boolean }> {
  await tx.query(
    'insert into sign_in_attempt (key, failures, updated_at) values ($1, 0, clock_timestamp()) on conflict do nothing',
    [key],
  );
  const [row] = await tx.query<{ failures: number; lockedMs: number; old: boolean }>(
    `select failures, coalesce(extract(epoch from locked_until - clock_timestamp()) * 1000, 0)::float as locked_ms,
            updated_at < clock_timestamp() - $2 * interval '1 minute' as old
       from sign_in_attempt where key = $1 for update`,
    [key, LOCK_MINUTES],
  );
  const { failures, lockedMs, old } = row!;
  return { key, old, waitMs: lockedMs > 0 ? lockedMs : failures >= MAX_FAILURES && !old ? CROWD_MS : 0 };
}

/** The password was wrong: the fifth time locks. */
export async function lockWhenSpent(database: Database, keys: AttemptKeys): Promise<void> {
  for (const key of [keys.account, keys.address])
    await database.query(
      `update sign_in_attempt set locked_until = clock_timestamp() + $3 * interval '1 minute'
        where key = $1 and failures >= $2 and (locked_until is null or locked_until <= clock_timestamp())`,
      [key, MAX_FAILURES, LOCK_MINUTES],
    );
}

/** The password was right: forgets the account's failures, and takes back what was counted for the address. */
export async function forgiveAttempt(database: Database, keys: AttemptKeys): Promise<void> {
  await database.query('delete from sign_in_attempt where key = $1', [keys.account]);
  await database.query('update sign_in_attempt set failures = greatest(failures - 1, 0) where key = $1', [
    keys.address,
  ]);
}
