import { ENDED_STATES, type Id } from '@capstan/domain';
import { runChanged } from '@capstan/events';
import type { Database, Run } from '@capstan/database';

/**
 * Says of whole logs that they have expired: from here on nobody is shown a line of them. A run whose task was taken up
 * again meanwhile keeps its log.
 * @returns how many were marked.
 */
export async function expireLogs(database: Database, runIds: readonly Id[]): Promise<number> {
  if (runIds.length === 0) return 0;
  return database.transaction(async (tx) => {
    const runs = await tx.query<Run>(
      `update run set log_expired_at = clock_timestamp(), version = run.version + 1 from task
        where run.id = any($1) and run.state = 'finished' and run.log_expired_at is null and run.parked_at is null
          and task.id = run.task_id and task.state = any($2)
       returning run.*`,
      [runIds, ENDED_STATES],
    );
    for (const run of runs)
      await tx.emit(runChanged, {
        workspaceId: run.workspaceId,
        taskId: run.taskId,
        runId: run.id,
        state: run.state,
        version: run.version,
      });
    return runs.length;
  });
}

/**
 * Deletes the lines of an expired log from behind one sequence number up to another. A plain range of the key: a limit
 * would have to be sorted for where Postgres underestimates a log that has just grown.
 */
export async function removeLines(
  database: Database,
  { runId, behind, upTo }: { readonly runId: Id; readonly behind: number; readonly upTo: number },
): Promise<number> {
  const [row] = await database.query<{ deleted: number }>(
    `with gone as (delete from run_log where run_id = $1 and sequence > $2 and sequence <= $3 returning 1)
     select count(*)::int as deleted from gone`,
    [runId, behind, upTo],
  );
  return row!.deleted;
}

/** The last line of an expired log is gone: the run is not looked at again. */
export async function finishRemoval(database: Database, runId: Id): Promise<void> {
  await database.query(
    `update run set log_removed_at = clock_timestamp()
      where id = $1 and log_expired_at is not null and not exists (select from run_log where run_id = $1)`,
    [runId],
  );
}
