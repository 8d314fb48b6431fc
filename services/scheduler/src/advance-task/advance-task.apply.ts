import type { Actor, Id, TransitionName } from '@capstan/domain';
import { runChanged, runFinished, runStop } from '@capstan/events';
import { MESSAGE_PENDING, changeTask, type Database, type Tx } from '@capstan/database';
import { decideAdvance, type AdvancePlan } from './advance-task.decide.js';
import { readAdvance, type AdvanceWorld } from './advance-task.snapshot.js';

/** What one look at a task came to. */
export type AdvanceResult =
  | { readonly kind: 'applied'; readonly transition: TransitionName; readonly cause: string }
  | { readonly kind: 'stale' }
  | { readonly kind: 'none'; readonly reason: string };

const SCHEDULER: Actor = { kind: 'service', id: 'scheduler' };
/** More steps than any task takes without something new happening. */
const MAX_STEPS = 8;

/** Takes a task as far as the world allows, one transaction a step. `stale` means that somebody else just moved it. */
export async function advanceTask(
  database: Database,
  taskId: Id,
  random: () => number,
): Promise<readonly AdvanceResult[]> {
  const results: AdvanceResult[] = [];
  while (results.length < MAX_STEPS) {
    const result = await advanceOnce(database, taskId, random());
    results.push(result);
    // Somebody moved it meanwhile: what was to be done is looked for again in the world as it is now.
    if (result.kind === 'none') break;
  }
  return results;
}

async function advanceOnce(database: Database, taskId: Id, random: number): Promise<AdvanceResult> {
  const world = await readAdvance(database, taskId, random);
  if (world === null) return { kind: 'none', reason: 'there is no such task' };
  const plan = decideAdvance(world.snapshot);
  if (plan.kind === 'none') return plan;
  return database.commit('advance', (tx) => apply(tx, world, plan));
}

async function apply(
  tx: Tx,
  { task, snapshot }: AdvanceWorld,
  plan: Extract<AdvancePlan, { kind: 'transition' }>,
): Promise<AdvanceResult> {
  const state = await changeTask(tx, {
    task,
    transition: plan.transition,
    patch: plan.patch,
    cause: plan.cause,
    actor: SCHEDULER,
  });
  if (state === 'stale') return { kind: 'stale' };
  const { run } = snapshot;
  if (run !== null && plan.stopRun === true)
    await tx.emit(runStop, { workspaceId: task.workspaceId, taskId: task.id, runId: run.id });
  if (run !== null && plan.fenceRun === true) await fenceRun(tx, run.id);
  if (run !== null && plan.returnMessages === true)
    await tx.query('update task_request set given_run_id = null where task_id = $1 and given_run_id = $2', [
      task.id,
      run.id,
    ]);
  if (run !== null && plan.dropMessages === true) await dropMessages(tx, task.id, run.id);
  if (plan.pauseCredential !== undefined) await pauseCredential(tx, task.workspaceId, plan.pauseCredential);
  return { kind: 'applied', transition: plan.transition, cause: plan.cause };
}

/** Counts what waits as given to a run that is over: no later one is told. */
export async function dropMessages(tx: Tx, taskId: Id, runId: Id): Promise<void> {
  await tx.query(`update task_request m set given_run_id = $2 where m.task_id = $1 and ${MESSAGE_PENDING}`, [
    taskId,
    runId,
  ]);
}

/**
 * Ends a run whose driver could not be reached: the epoch is raised past every owner, so nothing that it still writes
 * is taken. The one place where somebody other than its runner writes a run, for there is no runner left to do it.
 */
async function fenceRun(tx: Tx, runId: Id): Promise<void> {
  const outcome = { kind: 'lost', detail: 'Fenced off: the agent could not be confirmed gone', symptom: 'run_lost' };
  const [run] = await tx.query<{ workspaceId: Id; taskId: Id; repositoryId: Id; version: number }>(
    `update run set state = 'finished', outcome = $2, epoch = epoch + 1, owner = null, lease_expires_at = null,
            fenced_at = clock_timestamp(), finished_at = clock_timestamp(), version = version + 1
      where id = $1 and state <> 'finished' returning workspace_id, task_id, repository_id, version`,
    [runId, outcome],
  );
  if (run === undefined) return;
  const { version, repositoryId, ...ids } = run;
  await tx.emit(runChanged, { ...ids, runId, state: 'finished', version });
  await tx.emit(runFinished, { ...ids, runId, repositoryId });
}

async function pauseCredential(
  tx: Tx,
  workspaceId: Id,
  pause: { readonly credential: string; readonly until: number; readonly reason: string },
): Promise<void> {
  await tx.query(
    `insert into credential_pause (workspace_id, credential, until, reason) values ($1,$2,$3,$4)
     on conflict (workspace_id, credential) do update set until = $3, reason = $4`,
    [workspaceId, pause.credential, new Date(pause.until), pause.reason],
  );
}
