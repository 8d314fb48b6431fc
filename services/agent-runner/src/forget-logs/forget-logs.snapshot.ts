import type { Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { RetentionRow } from '@capstan/service-kit';

/** A run whose log is old enough to be judged. */
export interface OldLog extends RetentionRow {
  readonly id: Id;
  /** As Postgres writes it, to the microsecond. */
  readonly finishedAt: string;
}

/** Runs that ended at least so long ago and still have their log, oldest first, behind a given one. */
export async function readOldLogs(
  database: Database,
  { keepMs, behind, limit }: { readonly keepMs: number; readonly behind: OldLog | null; readonly limit: number },
): Promise<readonly OldLog[]> {
  return database.query<OldLog>(
    `select run.id, run.finished_at::text as finished_at, task.state as task_state, run.parked_at is not null as held, false as latest,
            extract(epoch from clock_timestamp() - run.finished_at)::float * 1000 as aged_ms
       from run join task on task.id = run.task_id
      where run.state = 'finished' and run.log_removed_at is null and run.log_expired_at is null
        and run.finished_at <= clock_timestamp() - $1 * interval '1 ms'
        and ($2::timestamptz is null or (run.finished_at, run.id) > ($2::timestamptz, $3::uuid))
      order by run.finished_at, run.id limit $4`,
    [keepMs, behind?.finishedAt ?? null, behind?.id ?? null, limit],
  );
}

/** A run whose log is to go and is still there, as a whole or in part. */
export interface ExpiredLog {
  readonly id: Id;
  /** Sequence number of its last line. */
  readonly head: number;
}

export async function readExpiredLog(database: Database): Promise<ExpiredLog | null> {
  const [run] = await database.query<ExpiredLog>(
    `select id, coalesce((select max(sequence) from run_log where run_id = run.id), 0) as head from run
      where state = 'finished' and log_removed_at is null and log_expired_at is not null order by finished_at, id limit 1`,
  );
  return run ?? null;
}

/** Age in seconds of the oldest log that is kept. */
export async function oldestLogSeconds(database: Database): Promise<number | null> {
  const [row] = await database.query<{ seconds: number | null }>(
    `select extract(epoch from clock_timestamp() - min(finished_at))::float as seconds
       from run where state = 'finished' and log_removed_at is null`,
  );
  return row?.seconds ?? null;
}
