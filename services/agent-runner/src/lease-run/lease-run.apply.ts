import { LEASE_MS, spentBudget, type Id, type RunCost, type SymptomCode } from '@capstan/domain';
import { runChanged, runStart } from '@capstan/events';
import { MAX_ROW_ATTEMPTS, rowError, tellParked, type Database, type Run, type Tx } from '@capstan/database';

/** What the renewal says of a run that this runner still holds. */
export interface RenewedRun {
  readonly id: Id;
  readonly epoch: number;
  /** The task has an intent, has ended, or has another run: the agent is to be stopped. */
  readonly unwanted: boolean;
  /** The workspace is paused: no agent is started. */
  readonly paused: boolean;
  /** Somebody has something to say to the agent. */
  readonly commanded: boolean;
  /** Set when all runs of the task together have cost as much as it may, US dollars. */
  readonly spent: { readonly costUsd: string; readonly maxCostUsd: string } | null;
  /** Its calls find every key of the model's provider at its limit, until then. ISO 8601 */
  readonly limitedUntil: string | null;
}

/**
 * Leases runs that wait for a runner: placed ones whose pod is ready (or will never be, so that somebody ends them),
 * and leased or running ones whose lease ran out: when `takeOver` all of those, else such as nobody owns any more. Of a paused workspace none is begun. Each lease
 * raises the epoch, so nothing that a former owner still writes is taken. Concurrent runners never get the same run.
 * A run that ends whoever drives it is parked instead of being taken over again and again: see `countFruitless`.
 */
export async function leaseRuns(
  database: Database,
  owner: string,
  { limit, runId, takeOver }: { readonly limit: number; readonly runId?: Id; readonly takeOver: boolean },
): Promise<readonly Run[]> {
  if (limit <= 0) return [];
  return database.commit('lease', async (tx) => {
    if (takeOver) await countFruitless(tx, runId ?? null);
    const runs = await tx.query<Run>(
      `update run set state = case when state = 'placed' then 'leased' else state end, owner = $1, epoch = epoch + 1,
              lease_expires_at = clock_timestamp() + $2 * interval '1 ms', lease_began_at = clock_timestamp(),
              leased_at = coalesce(leased_at, clock_timestamp()), version = version + 1
        where id in (select r.id from run r join pod p on p.id = r.pod_id join task t on t.id = r.task_id
                                             join workspace w on w.id = r.workspace_id
                      where ($3::uuid is null or r.id = $3) and r.parked_at is null
                        and (r.not_before is null or r.not_before <= clock_timestamp())
                        and (r.state = 'placed' and (w.paused_at is null and (p.state <> 'provisioning' or p.deleted_at is not null)
                                                     or t.intent is not null or t.current_run_id is distinct from r.id)
                          or ($5 or r.owner is null) and r.state in ('leased','running') and (r.lease_expires_at is null or r.lease_expires_at < clock_timestamp()))
                      order by r.placed_at limit $4 for update of r skip locked)
        returning *`,
      [owner, LEASE_MS, runId ?? null, limit, takeOver],
    );
    for (const run of runs)
      await tx.emit(runChanged, {
        workspaceId: run.workspaceId,
        taskId: run.taskId,
        runId: run.id,
        state: run.state,
        version: run.version,
      });
    return runs;
  });
}

/** First wait before a run that could not be driven is tried again, and the longest one, s. */
const FAILED_WAIT_S = 5;
const FAILED_LONGEST_WAIT_S = 600;
/** A lease that was renewed for as long as this wasn't what its owner died of, ms. */
const SOON_MS = 10_000;
/** As many fruitless leases are followed by another at once; then the run rests, longer each time. */
const FRUITLESS_AT_ONCE = 2;
const ENDS_RUNNER: SymptomCode = 'run_ends_runner';

/**
 * A run that makes its runner die would take one after the other with it. An owner that was gone soon after it took the
 * run, with nothing new of it stored, is a failed attempt: the run rests (by chance some longer than others, so that it
 * parts from those that were only driven beside it), and is parked at the cap, fenced against an owner that merely slept.
 * Once it has come on under a lease, former attempts are forgotten. What was counted has no owner, as what was given
 * back, and isn't counted again.
 */
async function countFruitless(tx: Tx, runId: Id | null): Promise<void> {
  const rows = await tx.query<Run>(
    `with lapsed as (
       select id, coalesce(greatest(last_line_at, launched_at) >= lease_began_at, false)
                  or lease_expires_at - lease_began_at >= $2 * interval '1 ms' as came_on
         from run where state in ('leased','running') and owner is not null and parked_at is null and ($1::uuid is null or id = $1)
                    and lease_expires_at < clock_timestamp() and lease_began_at is not null for update skip locked)
     update run r set owner = null, version = version + 1,
            attempts = case when came_on then 0 else attempts + 1 end,
            last_error = case when not came_on then format('Runner %s was gone soon after it took the run over, with nothing new of it', owner) end,
            last_error_code = case when not came_on then $3 end,
            not_before = case when not came_on and attempts >= $4 then clock_timestamp() + (0.5 + random())
                              * least($5 * power(2, attempts - $4), $6) * interval '1 s' end,
            parked_at = case when not came_on and attempts + 1 >= $7 then clock_timestamp() end,
            epoch = epoch + case when not came_on and attempts + 1 >= $7 then 1 else 0 end
       from lapsed where lapsed.id = r.id and not (came_on and attempts = 0) returning r.*`,
    [runId, LEASE_MS + SOON_MS, ENDS_RUNNER, FRUITLESS_AT_ONCE, FAILED_WAIT_S, FAILED_LONGEST_WAIT_S, MAX_ROW_ATTEMPTS],
  );
  for (const row of rows) if (row.parkedAt !== null) await tellParked(tx, 'run', row);
}

/** What a sweep could find, told by one small statement: most sweeps need no more than that. */
export async function peekRuns(database: Database): Promise<{
  /** Runs that are not finished, whoever drives them. */
  readonly open: boolean;
  /** Among them such as nobody drives. */
  readonly leaseable: boolean;
  /** Until the first lease runs out, if nobody renews it; null when none is held. ms */
  readonly nextMs: number | null;
}> {
  const [row] = await database.query<{ open: boolean; leaseable: boolean; nextMs: number | null }>(
    `select count(*) > 0 as open,
            coalesce(bool_or(state = 'placed' or lease_expires_at is null or lease_expires_at < clock_timestamp()), false) as leaseable,
            (extract(epoch from min(lease_expires_at) - clock_timestamp()) * 1000)::float8 as next_ms
       from run where state <> 'finished' and parked_at is null`,
  );
  return row!;
}

/**
 * Renews the leases that a runner holds and drives, with one statement. What it doesn't answer has been taken over or
 * has ended. A run of this owner's that isn't named lapses.
 */
export async function renewLeases(
  database: Database,
  owner: string,
  held: readonly { readonly id: Id; readonly epoch: number }[],
): Promise<readonly RenewedRun[]> {
  type Row = Omit<RenewedRun, 'spent'> & { readonly costs: readonly RunCost[]; readonly maxCostUsd: number };
  const rows = await database.query<Row>(
    `update run r set lease_expires_at = clock_timestamp() + $2 * interval '1 ms'
       from task t join workspace w on w.id = t.workspace_id join repository p on p.id = t.repository_id
            cross join lateral (
              select jsonb_agg(jsonb_build_object('toldUsd', u.cost_usd, 'countedUsd',
                       coalesce((select sum(m.cost_usd) from model_use m where m.run_id = u.id), 0))) as costs
                from run u where u.task_id = t.id) spent,
            unnest($3::uuid[], $4::int[]) as held(id, epoch)
      where r.id = held.id and r.epoch = held.epoch and r.owner = $1 and r.state <> 'finished' and t.id = r.task_id
      returning r.id, r.epoch, (t.intent is not null or t.current_run_id is distinct from r.id
                                or t.state not in ('provisioning','running')) as unwanted,
                w.paused_at is not null as paused,
                exists (select from run_command c where c.run_id = r.id and c.answered_at is null) as commanded,
                spent.costs, coalesce((t.limits->>'maxCostUsd')::numeric, p.max_cost_usd)::float8 as max_cost_usd,
                (select to_json(max(m.limited_until))#>>'{}' from model_use m
                  where m.run_id = r.id and m.limited_until > clock_timestamp()) as limited_until`,
    [owner, LEASE_MS, held.map(({ id }) => id), held.map(({ epoch }) => epoch)],
  );
  return rows.map(({ costs, maxCostUsd, ...run }) => {
    const cost = spentBudget(costs, maxCostUsd);
    const spent = cost === null ? null : { costUsd: cost.toFixed(2), maxCostUsd: maxCostUsd.toFixed(2) };
    return { ...run, spent };
  });
}

/** Gives back a run that could not be driven, with the failure counted on its row, unless a newer epoch has it. */
export async function failRun(
  database: Database,
  run: Pick<Run, 'id' | 'epoch'>,
  error: unknown,
): Promise<{ readonly parked: boolean }> {
  const { text, code } = rowError(error);
  return database.transaction(async (tx) => {
    const [row] = await tx.query<Run>(
      `update run set attempts = attempts + 1, last_error = $3, last_error_code = $7, owner = null, lease_expires_at = clock_timestamp(),
            not_before = clock_timestamp() + least($4 * power(2, attempts), $5) * interval '1 s',
            parked_at = case when attempts + 1 >= $6 then clock_timestamp() end, version = version + 1
      where id = $1 and epoch = $2 and state <> 'finished' returning *`,
      [run.id, run.epoch, text, FAILED_WAIT_S, FAILED_LONGEST_WAIT_S, MAX_ROW_ATTEMPTS, code],
    );
    if (row === undefined || row.parkedAt === null) return { parked: false };
    await tellParked(tx, 'run', row);
    return { parked: true };
  });
}

/**
 * Gives a run back that nobody could drive just now, through no fault of its own: whoever leases it when its lease has
 * run out finds no owner who might have died of it.
 */
export async function disownRun(database: Database, run: Pick<Run, 'id' | 'epoch'>): Promise<void> {
  await database.query(`update run set owner = null where id = $1 and epoch = $2 and state <> 'finished'`, [
    run.id,
    run.epoch,
  ]);
}

/** Lets every lease of this runner's run out now, and tells the others so. Answers how many there were. */
export async function releaseLeases(database: Database, owner: string): Promise<number> {
  return database.transaction(async (tx) => {
    const runs = await tx.query<Pick<Run, 'id' | 'workspaceId' | 'taskId'>>(
      `update run set lease_expires_at = clock_timestamp(), owner = null where owner = $1 and state <> 'finished'
       returning id, workspace_id, task_id`,
      [owner],
    );
    for (const { id, workspaceId, taskId } of runs) await tx.emit(runStart, { workspaceId, taskId, runId: id });
    return runs.length;
  });
}

/**
 * Marks this runner's running runs without a line for longer than their `stallMinutes`, and takes the mark from those
 * that have printed one since. They go on either way. Answers which are marked now and weren't before.
 */
export async function markStalled(database: Database, owner: string): Promise<readonly Id[]> {
  return database.transaction(async (tx) => {
    const runs = await tx.query<Run>(
      `update run set stalled_at = case when stalled_at is null then clock_timestamp() end, version = version + 1
        where owner = $1 and state = 'running'
          and (stalled_at is null
               and coalesce(last_line_at, launched_at) < clock_timestamp() - (limits->>'stallMinutes')::numeric * interval '1 minute'
            or stalled_at < last_line_at)
        returning *`,
      [owner],
    );
    for (const run of runs)
      await tx.emit(runChanged, {
        workspaceId: run.workspaceId,
        taskId: run.taskId,
        runId: run.id,
        state: run.state,
        version: run.version,
      });
    return runs.filter(({ stalledAt }) => stalledAt !== null).map(({ id }) => id);
  });
}

/** Says that this runner lives and how many agents it drives at most. */
export async function beat(
  database: Database,
  worker: { readonly id: string; readonly host: string; readonly slots: number; readonly draining: boolean },
): Promise<void> {
  await database.query(
    `insert into worker (id, host, slots, draining) values ($1,$2,$3,$4)
     on conflict (id) do update set heartbeat_at = clock_timestamp(), slots = $3, draining = $4`,
    [worker.id, worker.host, worker.slots, worker.draining],
  );
}

/** Forgets a worker that leaves in good order, and those that have been silent for a day. */
export async function forgetWorker(database: Database, id: string): Promise<void> {
  await database.query(`delete from worker where id = $1 or heartbeat_at < clock_timestamp() - interval '1 day'`, [id]);
}
