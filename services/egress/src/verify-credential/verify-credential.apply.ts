import type { CheckedState, Id } from '@capstan/domain';
import { isConclusive } from '@capstan/domain';
import type { Database } from '@capstan/database';
import { credentialChecked } from '@capstan/events';
import type { CredentialPlan, DueCheck } from './verify-credential.decide.js';

/** A check is another replica's after this; no provider is waited for longer than two thirds of it. ms */
const CLAIM_MS = 30_000;

/** A check that this replica alone makes. */
export interface ClaimedCheck extends DueCheck {
  readonly claim: number;
}

/** Takes a check for itself; null when somebody else has, or the secret is another one by now. */
export async function claimCheck(database: Database, due: DueCheck): Promise<ClaimedCheck | null> {
  const { secret, target, checkVersion } = due;
  const [row] = await database.query<{ version: number }>(
    `insert into credential_check as c (workspace_id, secret_id, target, subject, secret_version, began_at, claimed_until,
                                        next_check_at)
     select s.workspace_id, s.id, $2, $3, s.version, clock_timestamp(),
            clock_timestamp() + $5 * interval '1 millisecond', clock_timestamp()
       from secret s where s.id = $1 and s.version = $4
     on conflict (secret_id, target) do update set subject = excluded.subject, began_at = excluded.began_at,
       claimed_until = excluded.claimed_until, version = c.version + 1, secret_version = excluded.secret_version,
       state = case when c.secret_version = excluded.secret_version then c.state else 'unchecked' end,
       words = case when c.secret_version = excluded.secret_version then c.words end,
       checked_at = case when c.secret_version = excluded.secret_version then c.checked_at end,
       conclusive_state = case when c.secret_version = excluded.secret_version then c.conclusive_state end,
       conclusive_at = case when c.secret_version = excluded.secret_version then c.conclusive_at end
      where c.version = $6
     returning version`,
    [secret.id, target.address, target.subject, secret.version, CLAIM_MS, checkVersion],
  );
  return row === undefined ? null : { ...due, claim: row.version };
}

/** Writes down what the provider said, and tells. `stale`: the secret was changed or forgotten, or the claim lapsed. */
export async function recordCheck(
  database: Database,
  { secret, target, claim, everyMs }: ClaimedCheck,
  { state, words }: { readonly state: Exclude<CheckedState, 'unchecked'>; readonly words: string | null },
): Promise<'applied' | 'stale'> {
  return database.transaction(async (tx) => {
    const rows = await tx.query<{ secretId: Id }>(
      `update credential_check
          set state = $4, words = $5, checked_at = clock_timestamp(), claimed_until = null, version = version + 1,
              conclusive_state = coalesce($6, conclusive_state),
              conclusive_at = case when $6::text is null then conclusive_at else clock_timestamp() end,
              next_check_at = clock_timestamp() + $7 * interval '1 millisecond'
        where secret_id = $1 and target = $2 and version = $3
        returning secret_id`,
      [secret.id, target.address, claim, state, words, isConclusive(state) ? state : null, everyMs],
    );
    if (rows.length === 0) return 'stale';
    await tx.emit(credentialChecked, { workspaceId: secret.workspaceId, secretId: secret.id });
    return 'applied';
  });
}

/** Deletes what was said at places where the secret is of no use any more. */
export async function forgetChecks(database: Database, forget: CredentialPlan['forget']): Promise<void> {
  if (forget.length === 0) return;
  await database.query(
    `delete from credential_check c using unnest($1::uuid[], $2::text[]) as gone (secret_id, target)
      where c.secret_id = gone.secret_id and c.target = gone.target`,
    [forget.map(({ secretId }) => secretId), forget.map(({ target }) => target)],
  );
}
