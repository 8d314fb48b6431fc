import type { Id } from '@capstan/domain';
import {
  newId,
  recordTaskEvent,
  requestEffect,
  rowError,
  tellParked,
  type AttentionJson,
  type Database,
  type PullRequest,
  type Tx,
} from '@capstan/database';
import { pullRequestChanged } from '@capstan/events';
import { changedEvent } from '../follow/follow.apply.js';
import { pushKey, type PublishSnapshot } from './publish.snapshot.js';

type Run = PublishSnapshot['run'];
export const WATCHER = { kind: 'service', id: 'pr-watcher' } as const;

/** Makes the row of the task's life this run's: state publishing, nothing against it. */
export async function adopt(database: Database, { run, task }: PublishSnapshot): Promise<'applied' | 'stale'> {
  return database.commit('adopt', async (tx) => {
    const [row] = await tx.query<PullRequest>(
      `insert into pull_request (id, workspace_id, repository_id, task_id, run_id, generation, branch, base_branch, title, state, decision)
       values ($1,$2,$3,$4,$5,$6,$7,$8,$9,'publishing','Checking the work')
       on conflict (task_id, generation) do update
          set run_id = excluded.run_id, state = 'publishing', decision = excluded.decision, refusal = null,
              number = case when pull_request.state = 'closed' then null else pull_request.number end,
              url = case when pull_request.state = 'closed' then null else pull_request.url end,
              closed_at = null, closed_by = null, attempts = 0, last_error = null, parked_at = null,
              claimed_until = null, next_check_at = clock_timestamp(), version = pull_request.version + 1
        where pull_request.run_id <> excluded.run_id and pull_request.state <> 'merged'
       returning *`,
      [
        newId(),
        run.workspaceId,
        run.repositoryId,
        run.taskId,
        run.id,
        run.generation,
        run.branch,
        run.baseBranch,
        task.title,
      ],
    );
    if (row === undefined) return 'stale';
    await tx.emit(pullRequestChanged, changedEvent(row));
    return 'applied';
  });
}

/** The commits passed the checks: asks for the push. */
export async function requestPush(database: Database, run: Run, pullRequestId: Id): Promise<void> {
  await database.commit('request', async (tx) => {
    await requestEffect(tx, {
      workspaceId: run.workspaceId,
      taskId: run.taskId,
      runId: run.id,
      epoch: run.epoch,
      kind: 'push_branch',
      key: pushKey(run.id),
      arguments: { pullRequestId },
      traceparent: run.traceparent,
    });
    // Only a parked effect needs another look; the next one is the effect's own record.
    await tx.query(
      `update pull_request set attempts = 0, last_error = null, next_check_at = clock_timestamp() + interval '30 seconds'
        where id = $1 and run_id = $2 and state = 'publishing'`,
      [pullRequestId, run.id],
    );
  });
}

/** An effect is on its way: looked at again later, so that runs which wait for a forge never hold up the others. */
export async function restPublish(database: Database, pullRequestId: Id, runId: Id): Promise<void> {
  await database.query(
    `update pull_request set next_check_at = clock_timestamp() + interval '30 seconds'
      where id = $1 and run_id = $2 and state = 'publishing' and next_check_at <= clock_timestamp()`,
    [pullRequestId, runId],
  );
}

/** Asks for the pull request of a pushed branch. A pull request that was closed is followed by another one. */
export async function requestOpen(tx: Tx, row: PullRequest, traceparent: string | null): Promise<{ readonly id: Id }> {
  const key = `open_pull_request:${row.taskId}:${row.generation}`;
  const [before] = await tx.query<{ runId: Id | null }>('select run_id from effect where key = $1', [key]);
  return requestEffect(tx, {
    workspaceId: row.workspaceId,
    taskId: row.taskId,
    runId: row.runId,
    epoch: 0,
    kind: 'open_pull_request',
    key: before === undefined || before.runId === row.runId ? key : `${key}:${row.runId}`,
    arguments: { pullRequestId: row.id },
    traceparent,
  });
}

/** Ends publishing for a person to look at, unless another run has the row by now. */
export async function refusePublish(tx: Tx, pullRequestId: Id, runId: Id, refusal: AttentionJson): Promise<void> {
  const [row] = await tx.query<PullRequest>(
    `update pull_request set state = 'refused', refusal = $3, decision = 'Not published', version = version + 1,
            next_check_at = clock_timestamp(), claimed_until = null,
            parked_at = case when $4 then clock_timestamp() end
      where id = $1 and run_id = $2 and state = 'publishing' returning *`,
    [pullRequestId, runId, JSON.stringify(refusal), refusal.code === 'effect_parked'],
  );
  if (row === undefined) return;
  if (row.parkedAt !== null) await tellParked(tx, 'pull_request', row);
  await recordTaskEvent(tx, {
    workspaceId: row.workspaceId,
    taskId: row.taskId,
    kind: 'effect',
    cause: `Not published: ${refusal.detail.split('\n')[0]!.slice(0, 300)}`,
    actor: WATCHER,
    traceparent: null,
    detail: { code: refusal.code },
  });
  await tx.emit(pullRequestChanged, changedEvent(row));
}

/** Counts a failed try and answers whether it was the last one. */
export async function failPublish(
  database: Database,
  pullRequestId: Id,
  runId: Id,
  { error, delayMs, maxAttempts }: { readonly error: unknown; readonly delayMs: number; readonly maxAttempts: number },
): Promise<'again' | 'last'> {
  const { text, code } = rowError(error);
  const [row] = await database.query<{ attempts: number }>(
    `update pull_request set attempts = attempts + 1, last_error = $3, last_error_code = $5, version = version + 1,
            next_check_at = clock_timestamp() + $4 * interval '1 ms'
      where id = $1 and run_id = $2 and state = 'publishing' returning attempts`,
    [pullRequestId, runId, text, delayMs, code],
  );
  return row !== undefined && row.attempts >= maxAttempts ? 'last' : 'again';
}
