import { EFFECT_DEADLINE_MS, EFFECT_EXECUTORS, MAX_EFFECT_ATTEMPTS, type EffectKind, type Id } from '@capstan/domain';
import { effectRequested, effectSettled } from '@capstan/events';
import { newId, type Database, type Tx } from './database.js';
import type { Effect } from './entities/index.js';
import { tellParked } from './parking.js';

export interface NewEffect {
  readonly workspaceId: Id;
  readonly taskId: Id;
  readonly runId: Id | null;
  /** Epoch of the run that asks; 0 where no run does. */
  readonly epoch: number;
  readonly kind: EffectKind;
  /** What makes it the same effect when it is asked for again, e.g. `merge_pull_request:<id>:<sha>`. */
  readonly key: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** What the effect's spans continue; null takes its task's. */
  readonly traceparent: string | null;
}

/** Inserts an effect, once per key. Answers the id of the effect that stands, new or old. */
export async function requestEffect(
  tx: Tx,
  effect: NewEffect,
): Promise<{ readonly id: Id; readonly inserted: boolean }> {
  const id = newId();
  const rows = await tx.query<{ id: Id }>(
    `insert into effect (id, workspace_id, task_id, run_id, epoch, kind, executor, key, arguments, traceparent)
     values ($1,$2,$3,$4,$5,$6,$7,$8,$9,coalesce($10, (select traceparent from task where id = $3)))
     on conflict (key) do nothing returning id`,
    [
      id,
      effect.workspaceId,
      effect.taskId,
      effect.runId,
      effect.epoch,
      effect.kind,
      EFFECT_EXECUTORS[effect.kind],
      effect.key,
      effect.arguments,
      effect.traceparent,
    ],
  );
  if (rows.length === 0) {
    const [old] = await tx.query<{ id: Id }>('select id from effect where key = $1', [effect.key]);
    return { id: old!.id, inserted: false };
  }
  await tx.emit(effectRequested, {
    workspaceId: effect.workspaceId,
    taskId: effect.taskId,
    effectId: id,
    kind: effect.kind,
  });
  return { id, inserted: true };
}

/** A claimed effect. `deadline` is monotonic (performance.now()): no request may leave after it. */
export interface ClaimedEffect {
  readonly effect: Effect;
  readonly deadline: number;
  /** True when somebody may have tried it before: look before acting. */
  readonly repeated: boolean;
}

/**
 * Claims due effects of an executor, under a claim epoch and a deadline; none of a paused workspace. A claim that lapsed
 * is taken over one deadline after it lapsed, so that no late request of the former holder can still arrive.
 */
export async function claimEffects(
  database: Database,
  executor: string,
  owner: string,
  { limit, effectId }: { readonly limit: number; readonly effectId?: Id },
): Promise<readonly ClaimedEffect[]> {
  const asked = performance.now();
  const rows = await database.query<Effect>(
    `update effect set state = 'claimed', claimed_by = $2, claim_epoch = claim_epoch + 1, attempts = attempts + 1,
            deadline_at = clock_timestamp() + $4 * interval '1 ms'
      where id in (select id from effect
                    where executor = $1 and parked_at is null and ($5::uuid is null or id = $5) and attempts < $6
                      and not exists (select from workspace w where w.id = effect.workspace_id and w.paused_at is not null)
                      and (state = 'requested' and (not_before is null or not_before <= clock_timestamp())
                        or state = 'claimed' and deadline_at + $4 * interval '1 ms' <= clock_timestamp())
                    order by created_at limit $3 for update skip locked)
      returning *`,
    [executor, owner, limit, EFFECT_DEADLINE_MS, effectId ?? null, MAX_EFFECT_ATTEMPTS],
  );
  if (rows.length < limit) await parkExhausted(database, executor);
  return rows.map((effect) => ({ effect, deadline: asked + EFFECT_DEADLINE_MS, repeated: effect.claimEpoch > 1 }));
}

/**
 * An effect is counted when it is claimed, before anything is done: so one that ends its process each time is parked
 * as well, once the last claim has lapsed.
 */
async function parkExhausted(database: Database, executor: string): Promise<void> {
  const due = `executor = $1 and parked_at is null and attempts >= $2
    and (state = 'requested' or state = 'claimed' and deadline_at + $3 * interval '1 ms' <= clock_timestamp())`;
  const parameters = [executor, MAX_EFFECT_ATTEMPTS, EFFECT_DEADLINE_MS];
  const [found] = await database.query(`select id from effect where ${due} limit 1`, parameters);
  if (found === undefined) return;
  await database.transaction(async (tx) => {
    const rows = await tx.query<Effect>(
      `update effect set state = 'requested', claimed_by = null, claim_epoch = claim_epoch + 1, parked_at = clock_timestamp(),
              last_error = coalesce(last_error || '. ', '') || $4
        where ${due} returning *`,
      [
        ...parameters,
        `Tried ${MAX_EFFECT_ATTEMPTS} times; the last try ended without a word, perhaps with its process`,
      ],
    );
    for (const row of rows) await tellParked(tx, 'effect', row);
  });
}

/** Whether a request may leave under a claim, as Postgres says now: not when somebody else has it, nor during a pause. */
export async function standingOf(database: Database, effect: Effect): Promise<'stands' | 'lost' | 'paused'> {
  const [row] = await database.query<{ paused: boolean }>(
    `select w.paused_at is not null as paused from effect e join workspace w on w.id = e.workspace_id
      where e.id = $1 and e.claim_epoch = $2 and e.state = 'claimed'`,
    [effect.id, effect.claimEpoch],
  );
  if (row === undefined) return 'lost';
  return row.paused ? 'paused' : 'stands';
}

export interface EffectResult {
  /** Id that the remote gave: comment id, pull request number, merge commit. */
  readonly remoteId: string | null;
  readonly result: Readonly<Record<string, unknown>>;
}

/** Records what an effect did, under its claim epoch; `stale` when somebody has taken it over. */
export async function settleEffect(
  tx: Tx,
  effect: Effect,
  outcome: { readonly state: 'done' | 'refused' } & EffectResult,
): Promise<'applied' | 'stale'> {
  const rows = await tx.query(
    `update effect set state = $3, remote_id = $4, result = $5, settled_at = clock_timestamp(), last_error = null
      where id = $1 and claim_epoch = $2 and state = 'claimed' returning id`,
    [effect.id, effect.claimEpoch, outcome.state, outcome.remoteId, outcome.result],
  );
  if (rows.length === 0) return 'stale';
  await tx.emit(effectSettled, {
    workspaceId: effect.workspaceId,
    taskId: effect.taskId,
    effectId: effect.id,
    kind: effect.kind,
  });
  return 'applied';
}

/** Records that a person decided against a parked effect. It is settled, and never asked for again under its key. */
export async function dropEffect(tx: Tx, effect: Effect, words: string): Promise<EffectResult> {
  const result: EffectResult = { remoteId: null, result: { code: 'dropped', error: words } };
  await tx.query(
    `update effect set state = 'refused', result = $2, settled_at = clock_timestamp(), parked_at = null
      where id = $1 and state = 'requested'`,
    [effect.id, result.result],
  );
  await tx.emit(effectSettled, {
    workspaceId: effect.workspaceId,
    taskId: effect.taskId,
    effectId: effect.id,
    kind: effect.kind,
  });
  return result;
}

/**
 * Gives a failed try back for later, or parks the effect at the cap.
 * @param delayMs not before this from now.
 */
export async function returnEffect(
  database: Database,
  effect: Effect,
  {
    error,
    code = null,
    delayMs,
    counted,
  }: { readonly error: string; readonly code?: string | null; readonly delayMs: number; readonly counted: boolean },
): Promise<void> {
  await database.transaction(async (tx) => {
    const [row] = await tx.query<Effect>(
      `update effect set state = 'requested', last_error = $3, last_error_code = $7, not_before = clock_timestamp() + $4 * interval '1 ms',
            attempts = case when $5 then attempts else attempts - 1 end,
            parked_at = case when $5 and attempts >= $6 then clock_timestamp() end
      where id = $1 and claim_epoch = $2 and state = 'claimed' returning *`,
      [effect.id, effect.claimEpoch, error, delayMs, counted, MAX_EFFECT_ATTEMPTS, code],
    );
    if (row !== undefined && row.parkedAt !== null) await tellParked(tx, 'effect', row);
  });
}
