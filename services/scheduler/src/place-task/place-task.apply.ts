import { DEFAULT_LIMITS, branchName, shortId, slugify, type Actor, type Id, type RunLimits } from '@capstan/domain';
import { podProvision, runStart } from '@capstan/events';
import {
  MESSAGE_PENDING,
  Pod,
  Run,
  changeTask,
  newId,
  type Database,
  type NewRow,
  type Repository,
  type Task,
  type Tx,
} from '@capstan/database';
import { decidePlacements, type Placement } from './place-task.decide.js';
import { isAnyQueued, readPlacement, type PlaceWorld } from './place-task.snapshot.js';

const SCHEDULER: Actor = { kind: 'service', id: 'scheduler' };

export interface Placed {
  readonly count: number;
  /** The pass was full, or somebody moved a task meanwhile: another one may place more. */
  readonly more: boolean;
}

/** One placing pass: snapshot, decide and apply in one transaction under the placement lock. */
export async function placeTasks(database: Database, globalLimit: number): Promise<Placed> {
  if (!(await isAnyQueued(database))) return { count: 0, more: false };
  return database.commit('place', async (tx) => {
    const world = await readPlacement(tx, globalLimit);
    if (world === null) return { count: 0, more: false };
    const placements = decidePlacements(world.snapshot);
    const made = new Map<string, Id>();
    const runs: NewRow<Run>[] = [];
    const told: Id[] = [];
    for (const placement of placements) {
      const task = world.tasks.get(placement.taskId)!;
      const repository = world.repositories.get(task.repositoryId)!;
      const podId = await podFor(tx, world, repository, placement, made);
      const run = await placeOne(tx, task, repository, placement, podId);
      if (run === null) continue;
      runs.push(run);
      if (task.hasMessages) told.push(task.id);
    }
    if (runs.length > 0) await tx.insert(Run, runs);
    if (told.length > 0) await giveMessages(tx, told);
    return { count: runs.length, more: placements.length === world.snapshot.batch || runs.length < placements.length };
  });
}

/** What people wrote since a task's last run goes into the prompt of the new one. */
async function giveMessages(tx: Tx, taskIds: readonly Id[]): Promise<void> {
  await tx.query(
    `update task_request m set given_run_id = t.current_run_id from task t
      where t.id = any($1) and m.task_id = t.id and ${MESSAGE_PENDING}`,
    [taskIds],
  );
}

async function podFor(
  tx: Tx,
  world: PlaceWorld,
  repository: Repository,
  placement: Placement,
  made: Map<string, Id>,
): Promise<Id> {
  if (placement.pod === 'existing') return placement.podId;
  const key = `${repository.id}/${placement.ordinal}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const id = newId();
  await tx.insert(Pod, {
    id,
    workspaceId: repository.workspaceId,
    repositoryId: repository.id,
    name: `capstan-${slugify(repository.fullName.split('/').at(-1)!, 20)}-${placement.ordinal}-${shortId(id)}`,
    ordinal: placement.ordinal,
    state: 'provisioning',
    capacity: repository.maxAgentsPerPod,
  });
  await tx.emit(podProvision, { workspaceId: repository.workspaceId, podId: id, repositoryId: repository.id });
  made.set(key, id);
  return id;
}

async function placeOne(
  tx: Tx,
  task: Task,
  repository: Repository,
  placement: Placement,
  podId: Id,
): Promise<NewRow<Run> | null> {
  const runId = newId();
  const branch = task.branch ?? branchName(task.id, task.title, task.generation);
  const ready = placement.pod === 'existing' && placement.ready;
  const state = await changeTask(tx, {
    task,
    transition: 'place',
    patch: {
      branch,
      currentRunId: runId,
      lastPodId: podId,
      runCount: task.runCount + 1,
      waiting: ready ? null : { code: 'pod_provisioning', detail: 'The pod is being made', position: null },
      attention: null,
      notBefore: null,
      startedAt: task.startedAt ?? new Date(),
    },
    cause: ready
      ? `Placed on a ready pod, slot ${placement.slot}`
      : `Placed on a pod that is being made, slot ${placement.slot}`,
    actor: SCHEDULER,
  });
  if (state === 'stale') return null;
  if (ready) await tx.emit(runStart, { workspaceId: task.workspaceId, taskId: task.id, runId });
  return {
    id: runId,
    workspaceId: task.workspaceId,
    repositoryId: repository.id,
    taskId: task.id,
    number: task.runCount + 1,
    generation: task.generation,
    reason: task.runReason,
    note: task.runNote,
    state: 'placed',
    podId,
    slot: placement.slot,
    agent: repository.agent as never,
    limits: limitsOf(task, repository),
    branch,
    baseBranch: task.baseBranch,
    traceparent: task.traceparent,
  };
}

function limitsOf(task: Task, repository: Repository): RunLimits {
  return {
    ...DEFAULT_LIMITS,
    maxRunMinutes: repository.maxRunMinutes,
    maxCostUsd: Number(repository.maxCostUsd),
    maxTurns: repository.maxTurns,
    stallMinutes: repository.stallMinutes,
    ...task.limits,
  };
}
