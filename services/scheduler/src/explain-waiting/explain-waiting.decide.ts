import { WAITING_SYMPTOMS, costLimitReached, type Id, type PodSymptomCode, type WaitingCode } from '@capstan/domain';

/** Why a pod could not be made, for good. */
export interface PodProblem {
  readonly code: PodSymptomCode;
  readonly detail: string;
}

/** Why the tasks of one repository could wait, as facts. */
export interface RepositoryPressure {
  readonly id: Id;
  /** Who paused its workspace, and when (unix ms). */
  readonly pausedWorkspace: { readonly by: string | null; readonly at: number } | null;
  readonly maxCostUsd: number;
  readonly credentialPause: { readonly credential: string; readonly until: number; readonly reason: string } | null;
  readonly credentialSecret: string;
  readonly credentialSet: boolean;
  readonly active: number;
  readonly maxConcurrentTasks: number;
  readonly freeSlots: number;
  readonly podRoom: number;
  /** A pod that failed for good and has not been cleared away. */
  readonly podProblem: PodProblem | null;
}

export interface WaitingTask {
  readonly id: Id;
  readonly repositoryId: Id;
  readonly state: 'queued' | 'waiting' | 'provisioning';
  /** Unix ms. */
  readonly notBefore: number | null;
  readonly lastError: string | null;
  /** US dollars over all its runs, and what it may cost itself. */
  readonly costUsd: number;
  readonly maxCostUsd: number | null;
  readonly openDependencies: readonly string[];
  /** The pod that a provisioning task waits for. */
  readonly pod: {
    readonly state: string;
    readonly attempts: number;
    readonly problem: PodProblem | null;
    /** What the last attempt ended with. */
    readonly lastError: string | null;
  } | null;
  readonly known: { readonly code: string; readonly detail: string } | null;
}

export interface ExplainSnapshot {
  readonly now: number;
  readonly globalLimit: number;
  readonly active: number;
  readonly readyWorkers: number;
  readonly workerRoom: number;
  readonly maxPodAttempts: number;
  readonly repositories: ReadonlyMap<Id, RepositoryPressure>;
  readonly tasks: readonly WaitingTask[];
}

export interface WaitingExplanation {
  readonly taskId: Id;
  readonly code: WaitingCode;
  readonly detail: string;
}

/** The reason of every waiting task whose reason isn't known yet or has changed. */
export function decideExplanations(snapshot: ExplainSnapshot): readonly WaitingExplanation[] {
  return snapshot.tasks.flatMap((task) => {
    const reason = reasonOf(snapshot, task);
    if (reason === null || (task.known?.code === reason.code && task.known.detail === reason.detail)) return [];
    return [{ taskId: task.id, ...reason }];
  });
}

type Reason = Omit<WaitingExplanation, 'taskId'>;

function reasonOf(snapshot: ExplainSnapshot, task: WaitingTask): Reason | null {
  if (task.state === 'waiting') return { code: 'dependency', detail: `Waits for ${task.openDependencies.join(', ')}` };
  const repository = snapshot.repositories.get(task.repositoryId);
  if (task.state === 'provisioning')
    return (repository === undefined ? null : pauseReason(repository)) ?? podReason(snapshot, task);
  if (repository === undefined) return null;
  return (
    ownReason(snapshot, task, repository) ??
    capacityReason(snapshot, repository) ?? { code: 'waiting_turn', detail: WAITING_SYMPTOMS.waiting_turn.cause }
  );
}

function podReason(snapshot: ExplainSnapshot, { pod, known }: WaitingTask): Reason | null {
  if (pod === null || pod.state === 'ready') {
    if (snapshot.readyWorkers === 0)
      return { code: 'no_ready_worker', detail: 'No agent runner is alive to start the run' };
    // A pause that is over must not be told any longer.
    return known?.code === 'paused' ? { code: 'pod_provisioning', detail: 'The agent is being started' } : null;
  }
  if (pod.state === 'error') return pod.problem ?? { code: 'pod_failed', detail: 'The pod could not be made' };
  const attempt = `attempt ${Math.min(pod.attempts + 1, snapshot.maxPodAttempts)} of ${snapshot.maxPodAttempts}`;
  return {
    code: 'pod_provisioning',
    detail:
      pod.lastError === null
        ? `The pod is being made, ${attempt}`
        : `The pod is being made, ${attempt}: ${pod.lastError}`,
  };
}

function ownReason({ now }: ExplainSnapshot, task: WaitingTask, repository: RepositoryPressure): Reason | null {
  const paused = pauseReason(repository) ?? moneyReason(task, repository);
  if (paused !== null) return paused;
  if (!repository.credentialSet)
    return { code: 'credential_missing', detail: `The secret ${repository.credentialSecret} is not set` };
  const pause = repository.credentialPause;
  if (pause !== null)
    return {
      code: 'rate_limited',
      detail: `${pause.credential} is limited until ${clock(pause.until)}: ${pause.reason}`,
    };
  if (task.notBefore !== null && task.notBefore > now)
    return {
      code: 'backing_off',
      detail: `Not before ${clock(task.notBefore)}${task.lastError === null ? '' : `: ${task.lastError}`}`,
    };
  return null;
}

function pauseReason({ pausedWorkspace }: RepositoryPressure): Reason | null {
  if (pausedWorkspace === null) return null;
  const by = pausedWorkspace.by === null ? '' : ` by ${pausedWorkspace.by}`;
  return { code: 'paused', detail: `Paused${by} since ${clock(pausedWorkspace.at)}` };
}

function moneyReason(task: WaitingTask, repository: RepositoryPressure): Reason | null {
  const most = task.maxCostUsd ?? repository.maxCostUsd;
  if (!costLimitReached(task.costUsd, most)) return null;
  return { code: 'money_spent', detail: `The task has cost $${task.costUsd.toFixed(2)} of $${most.toFixed(2)}` };
}

function capacityReason(snapshot: ExplainSnapshot, repository: RepositoryPressure): Reason | null {
  const { active, globalLimit } = snapshot;
  if (snapshot.readyWorkers === 0) return { code: 'no_ready_worker', detail: 'No agent runner is alive' };
  if (repository.active >= repository.maxConcurrentTasks)
    return {
      code: 'repository_limit',
      detail: `Repository limit: ${repository.active} of ${repository.maxConcurrentTasks}`,
    };
  if (active >= globalLimit) return { code: 'global_limit', detail: `Global limit: ${active} of ${globalLimit}` };
  if (repository.freeSlots <= 0 && repository.podRoom <= 0)
    return repository.podProblem === null
      ? { code: 'no_free_slot', detail: 'All slots of its pods are taken' }
      : repository.podProblem;
  if (snapshot.workerRoom <= 0) return { code: 'no_ready_worker', detail: 'All agent runners are at work' };
  return null;
}

/** `hh:mm` in UTC. */
function clock(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(11, 16)} UTC`;
}
