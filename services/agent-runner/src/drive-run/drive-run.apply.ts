import type { PrepareAnswer, RunOutcome, RunProcess, Actor } from '@capstan/domain';
import { runChanged, runFinished } from '@capstan/events';
import { newId, recordTaskEvent, type Database, type Run, type Tx } from '@capstan/database';

const RUNNER: Actor = { kind: 'service', id: 'agent-runner' };

/**
 * The agent is launched: leased → running. What was prepared for it is recorded with it, unless a former owner did so.
 * `fenced`: a newer epoch has the run.
 */
export async function recordStarted(
  database: Database,
  run: Run,
  started: {
    readonly process: RunProcess;
    readonly deadlineAt: number;
    readonly worktree: { readonly path: string; readonly home: string };
    readonly prepared: PrepareAnswer | undefined;
  },
): Promise<'applied' | 'fenced'> {
  const { process, deadlineAt, worktree, prepared } = started;
  return database.commit('start', async (tx) => {
    const [row] = await tx.query<Run>(
      `update run set state = 'running', process = $3, launched_at = coalesce(launched_at, clock_timestamp()), deadline_at = $4,
              base_sha = coalesce($5, base_sha), head_sha = coalesce($6, head_sha), version = version + 1
        where id = $1 and epoch = $2 and state in ('leased','running') returning *`,
      [run.id, run.epoch, process, new Date(deadlineAt), prepared?.base ?? null, prepared?.head ?? null],
    );
    if (row === undefined) return 'fenced';
    await tx.query(
      `insert into worktree (id, workspace_id, task_id, pod_id, generation, path, home) values ($1,$2,$3,$4,$5,$6,$7)
       on conflict (pod_id, task_id, generation) do update set removed_at = null, created_at = now()`,
      [newId(), run.workspaceId, run.taskId, run.podId, run.generation, worktree.path, worktree.home],
    );
    await announce(tx, row);
    return 'applied';
  });
}

/** The run is judged: any state → finished. The slot is free with this commit. */
export async function recordFinished(database: Database, run: Run, outcome: RunOutcome): Promise<'applied' | 'fenced'> {
  return database.commit('judge', async (tx) => {
    const [row] = await tx.query<Run>(
      `update run set state = 'finished', outcome = $3, head_sha = coalesce($4, head_sha), finished_at = clock_timestamp(),
              owner = null, lease_expires_at = null, version = version + 1
        where id = $1 and epoch = $2 and state <> 'finished' returning *`,
      [run.id, run.epoch, outcome, outcome.head ?? null],
    );
    if (row === undefined) return 'fenced';
    await recordTaskEvent(tx, {
      workspaceId: run.workspaceId,
      taskId: run.taskId,
      kind: 'run',
      cause: `Run ${run.number} ended: ${outcome.detail}`,
      actor: RUNNER,
      traceparent: run.traceparent,
      detail: { runId: run.id, outcome: outcome.kind },
    });
    await announce(tx, row);
    await tx.emit(runFinished, {
      workspaceId: run.workspaceId,
      taskId: run.taskId,
      runId: run.id,
      repositoryId: run.repositoryId,
    });
    return 'applied';
  });
}

async function announce(tx: Tx, run: Run): Promise<void> {
  await tx.emit(runChanged, {
    workspaceId: run.workspaceId,
    taskId: run.taskId,
    runId: run.id,
    state: run.state,
    version: run.version,
  });
}
