import { UserError, errorAdvice, type Id, type PodHealthKind } from '@capstan/domain';
import { podChanged, runStart } from '@capstan/events';
import { PodHealthEvent, newId, type Database, type Pod, type Repository, type Run, type Tx } from '@capstan/database';
import type { ObservedPod, Runtime } from '@capstan/runtimes';
import { decidePod, decideRefused, type PodPlan } from './provision-pod.decide.js';

export interface ProvisionPorts {
  readonly database: Database;
  readonly runtime: Runtime;
  readonly readyTimeoutMs: number;
  readonly unschedulableTimeoutMs: number;
  readonly random: () => number;
  readonly report: (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
}

type PodRow = Pod & { readonly now: Date; readonly image: Repository['image']; readonly fullName: string };

/** Every pod of Capstan's carries this label; its value is the installation. */
const POD_LABEL = 'capstan.dev/part-of';
export const POD_LABELS = { [POD_LABEL]: 'capstan' } as const;

/** Takes one pod a step towards what its row wants. Level-triggered: call it as often as you like. */
export async function reconcilePod(
  ports: ProvisionPorts,
  podId: Id,
  observed: ObservedPod | null,
): Promise<PodPlan['kind']> {
  const [pod] = await ports.database.query<PodRow>(
    `select p.*, r.image, r.full_name, clock_timestamp() as now from pod p join repository r on r.id = p.repository_id
      where p.id = $1 and p.deleted_at is null and p.parked_at is null`,
    [podId],
  );
  if (pod === undefined) return 'none';
  const snapshot = {
    now: pod.now.getTime(),
    random: ports.random(),
    readyTimeoutMs: ports.readyTimeoutMs,
    unschedulableTimeoutMs: ports.unschedulableTimeoutMs,
    pod: {
      state: pod.state,
      attempts: pod.attempts,
      notBefore: pod.notBefore?.getTime() ?? null,
      deadlineAt: pod.deadlineAt?.getTime() ?? null,
    },
  };
  const decide = (seen: ObservedPod | null): PodPlan => decidePod({ ...snapshot, observed: seen });
  const plan = decide(observed);
  const carry = async (next: PodPlan, shown: ObservedPod | null): Promise<PodPlan['kind']> => {
    const refusal = next.kind === 'create' ? await create(ports, pod, next.deadlineAt) : undefined;
    const final = refusal === undefined ? next : decideRefused({ ...snapshot, observed: shown }, refusal);
    await carryOut(ports, pod, final, shown);
    return final.kind;
  };
  if (plan.kind !== 'failed' && plan.kind !== 'lost') return carry(plan, observed);
  // What was seen may be older than the row: a sibling may have made the pod, or made it anew, in between.
  const [now = null] = await ports.runtime.list({ ...POD_LABELS, 'capstan.dev/pod': podId });
  const same = isThere(now) && isThere(observed) ? now.uid === observed.uid : isThere(now) === isThere(observed);
  const seen = same ? observed : now;
  const confirmed = decide(seen);
  // Here the row may be the older one, so that it can't tell whose attempt this is.
  if (confirmed.kind === 'clear') return 'none';
  return carry(confirmed, seen);
}

function isThere(pod: ObservedPod | null): pod is ObservedPod {
  return pod !== null && pod.phase !== 'gone';
}

async function carryOut(
  ports: ProvisionPorts,
  pod: PodRow,
  plan: PodPlan,
  observed: ObservedPod | null,
): Promise<void> {
  const fields = { podId: pod.id, pod: pod.name, repository: pod.fullName };
  switch (plan.kind) {
    case 'none':
      await recordHealth(ports, pod, observed);
      await tellPending(ports, pod, observed);
      return;
    case 'create':
      return; // asked for, and on its way
    case 'ready':
      if (await markReady(ports, pod, observed!))
        ports.report('info', 'pod is ready', {
          ...fields,
          isolation: observed!.isolation,
          ...(observed!.isolationReason && { isolationReason: observed!.isolationReason }),
        });
      return;
    case 'failed':
      ports.report('warn', plan.final ? 'pod could not be made' : 'pod will be tried again', {
        ...fields,
        attempt: pod.attempts + 1,
        code: plan.code,
        detail: plan.detail,
      });
      // Who loses the row deletes nothing. Who wins it and dies here leaves something to clear.
      if ((await markFailed(ports, pod, plan)) && isThere(observed)) await ports.runtime.delete(pod.name, observed.uid);
      return;
    case 'clear':
      await ports.runtime.delete(pod.name, observed!.uid);
      return;
    case 'lost':
      ports.report('warn', 'pod was lost', { ...fields, code: plan.code, detail: plan.detail });
      await markLost(ports, pod, plan);
      return;
    case 'delete':
      await ports.runtime.delete(pod.name);
      await markDeleted(ports, pod);
      ports.report('info', 'pod was deleted', fields);
  }
}

/** What the platform says of a pod that is coming: people read it while they wait, not only when it has failed. */
async function tellPending(ports: ProvisionPorts, pod: PodRow, observed: ObservedPod | null): Promise<void> {
  if (pod.state !== 'provisioning' || observed?.phase !== 'pending' || observed.reason === undefined) return;
  const words = [observed.reason, observed.message].filter(Boolean).join(': ');
  await ports.database.query(
    'update pod set last_error = $2 where id = $1 and last_error is distinct from $2 and state = $3',
    [pod.id, words, 'provisioning'],
  );
}

/** Asks for the pod. Answers the refusal of one that can't be made as it has to be; throws every other failure. */
async function create(ports: ProvisionPorts, pod: PodRow, deadlineAt: number): Promise<UserError | undefined> {
  await ports.database.query(`update pod set deadline_at = coalesce(deadline_at, $2), runtime = $3 where id = $1`, [
    pod.id,
    new Date(deadlineAt),
    ports.runtime.kind,
  ]);
  try {
    await ports.runtime.create({
      name: pod.name,
      labels: { ...POD_LABELS, 'capstan.dev/pod': pod.id, 'capstan.dev/repository': pod.repositoryId },
      ...(pod.image === null ? {} : { image: pod.image }),
    });
    return undefined;
  } catch (error) {
    if (error instanceof UserError && error.code === 'isolation_unproven') return error;
    await ports.database.query('update pod set last_error = $2 where id = $1', [pod.id, errorAdvice(error)]);
    throw error;
  }
}

async function markReady(ports: ProvisionPorts, pod: PodRow, observed: ObservedPod): Promise<boolean> {
  return ports.database.commit('provision', async (tx) => {
    const changed = await change(
      tx,
      pod,
      `state = 'ready', ready_at = clock_timestamp(), isolation = $3, isolation_reason = $4, attempts = 0, not_before = null, deadline_at = null, last_error = null, problem = null, last_seen_at = clock_timestamp()`,
      [observed.isolation, observed.isolationReason ?? null],
    );
    if (!changed) return false;
    await tx.insert(PodHealthEvent, {
      id: newId(),
      workspaceId: pod.workspaceId,
      podId: pod.id,
      kind: 'healthy',
      detail: 'Ready',
    });
    const runs = await tx.query<Run>(
      `select id, workspace_id, task_id from run where pod_id = $1 and state = 'placed'`,
      [pod.id],
    );
    for (const run of runs)
      await tx.emit(runStart, { workspaceId: run.workspaceId, taskId: run.taskId, runId: run.id });
    return true;
  });
}

async function markFailed(
  ports: ProvisionPorts,
  pod: PodRow,
  plan: Extract<PodPlan, { kind: 'failed' }>,
): Promise<boolean> {
  return ports.database.transaction(async (tx) => {
    const problem = plan.final ? { code: plan.code, detail: plan.detail } : null;
    const changed = await change(
      tx,
      pod,
      `state = case when $3 then 'error' else state end, attempts = attempts + 1, not_before = $4, deadline_at = null, last_error = $5, problem = coalesce($6, problem)`,
      [plan.final, plan.notBefore === null ? null : new Date(plan.notBefore), plan.detail, problem],
    );
    if (changed && plan.final) await wakeRuns(tx, pod);
    return changed;
  });
}

async function markLost(ports: ProvisionPorts, pod: PodRow, plan: Extract<PodPlan, { kind: 'lost' }>): Promise<void> {
  await ports.database.transaction(async (tx) => {
    if (
      !(await change(tx, pod, `state = 'terminating', problem = $3, last_error = $4`, [
        { code: plan.code, detail: plan.detail },
        plan.detail,
      ]))
    )
      return;
    await tx.insert(PodHealthEvent, {
      id: newId(),
      workspaceId: pod.workspaceId,
      podId: pod.id,
      kind: plan.health,
      detail: plan.detail,
    });
    await wakeRuns(tx, pod);
  });
}

async function markDeleted(ports: ProvisionPorts, pod: PodRow): Promise<void> {
  await ports.database.transaction(async (tx) => {
    if (!(await change(tx, pod, `state = 'terminating', deleted_at = clock_timestamp()`, []))) return;
    await tx.query('update worktree set removed_at = clock_timestamp() where pod_id = $1 and removed_at is null', [
      pod.id,
    ]);
    await wakeRuns(tx, pod);
  });
}

/** Runs that were placed on a pod that will not be: a runner leases them and ends them with the pod's reason. */
async function wakeRuns(tx: Tx, pod: Pod): Promise<void> {
  const runs = await tx.query<Run>(`select id, workspace_id, task_id from run where pod_id = $1 and state = 'placed'`, [
    pod.id,
  ]);
  for (const run of runs) await tx.emit(runStart, { workspaceId: run.workspaceId, taskId: run.taskId, runId: run.id });
}

async function recordHealth(ports: ProvisionPorts, pod: PodRow, observed: ObservedPod | null): Promise<void> {
  const kinds: readonly PodHealthKind[] = observed?.health ?? [];
  if (kinds.length === 0) return;
  await ports.database.transaction((tx) =>
    tx.insert(
      PodHealthEvent,
      kinds.map((kind) => ({
        id: newId(),
        workspaceId: pod.workspaceId,
        podId: pod.id,
        kind,
        detail: observed?.message ?? observed?.reason ?? kind,
      })),
    ),
  );
}

/** Compare-and-swap on the version; $1 and $2 are id and version. */
async function change(tx: Tx, pod: Pod, set: string, parameters: readonly unknown[]): Promise<boolean> {
  const [row] = await tx.query<Pod>(
    `update pod set ${set}, version = version + 1 where id = $1 and version = $2 and deleted_at is null returning *`,
    [pod.id, pod.version, ...parameters],
  );
  if (row === undefined) return false;
  await tx.emit(podChanged, {
    workspaceId: row.workspaceId,
    podId: row.id,
    repositoryId: row.repositoryId,
    state: row.state,
    version: row.version,
  });
  return true;
}
