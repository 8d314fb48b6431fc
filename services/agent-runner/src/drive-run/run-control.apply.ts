import { runChanged, taskRequested } from '@capstan/events';
import type { Database, Run, RunCommand, RunCommandAnswerJson } from '@capstan/database';
import type { Id } from '@capstan/domain';

/** What people have for a run's agent and nobody has written an answer to, oldest first. */
export function openCommands(database: Database, runId: Id): Promise<RunCommand[]> {
  return database.query<RunCommand>(
    'select * from run_command where run_id = $1 and answered_at is null order by created_at, id',
    [runId],
  );
}

/** Writes down what came of it, under the run's epoch, and wakes whoever answers the person. */
export async function recordAnswer(
  database: Database,
  run: Pick<Run, 'id' | 'epoch'>,
  command: RunCommand,
  answer: RunCommandAnswerJson,
): Promise<'applied' | 'fenced'> {
  return database.transaction(async (tx) => {
    const [held] = await tx.query(`select id from run where id = $1 and epoch = $2 and state <> 'finished' for share`, [
      run.id,
      run.epoch,
    ]);
    if (held === undefined) return 'fenced';
    const [row] = await tx.query(
      `update run_command set answered_at = clock_timestamp(), answer = $2 where id = $1 and answered_at is null returning id`,
      [command.id, JSON.stringify(answer)],
    );
    const { workspaceId, taskId, id: requestId } = command;
    if (row !== undefined) await tx.emit(taskRequested, { workspaceId, taskId, requestId });
    return 'applied';
  });
}

/**
 * Gives a run back whose agent was not started, because its workspace was paused meanwhile: leased → placed. It is
 * leased again when the pause is over.
 */
export async function handBack(database: Database, run: Pick<Run, 'id' | 'epoch'>): Promise<void> {
  await database.transaction(async (tx) => {
    const [row] = await tx.query<Run>(
      `update run set state = 'placed', owner = null, lease_expires_at = null, version = version + 1
        where id = $1 and epoch = $2 and state = 'leased' returning *`,
      [run.id, run.epoch],
    );
    if (row === undefined) return;
    const { id: runId, workspaceId, taskId, state, version } = row;
    await tx.emit(runChanged, { workspaceId, taskId, runId, state, version });
  });
}
