import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { PodHealthKind } from '@capstan/domain';
import type { ObservedPod } from '../runtime.port.js';

/** Waiting reasons after which no image ever comes: the attempt is over at once. */
const HOPELESS = new Set(['ErrImageNeverPull', 'InvalidImageName']);

type Condition = Pick<ObservedPod, 'phase' | 'reason' | 'message'>;

/**
 * What Kubernetes says of a pod, in the port's words. `seenRestarts` is the count that the last observation of this pod
 * gave: health facts are told for what came after it.
 */
export function observePod(pod: V1Pod, seenRestarts: number): ObservedPod {
  const container = pod.status?.containerStatuses?.[0];
  const restarts = container?.restartCount ?? 0;
  return {
    name: pod.metadata?.name ?? '',
    uid: pod.metadata?.uid ?? '',
    labels: pod.metadata?.labels ?? {},
    restarts,
    isolation: 'not_isolated',
    health: restarts > seenRestarts ? healthOf(container) : [],
    ...conditionOf(pod, container),
  };
}

function healthOf(container: V1ContainerStatus | undefined): PodHealthKind[] {
  const killed = container?.lastState?.terminated?.reason === 'OOMKilled';
  return [killed ? 'oom_killed' : 'crashed', 'restarted'];
}

function conditionOf(pod: V1Pod, container: V1ContainerStatus | undefined): Condition {
  const { status } = pod;
  if (pod.metadata?.deletionTimestamp !== undefined) return { phase: 'terminating' };
  const terminated = container?.state?.terminated;
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') {
    return described('failed', status.reason ?? terminated?.reason, status.message ?? terminated?.message);
  }
  const isReady = status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true;
  if (isReady) return { phase: 'ready' };
  const waiting = container?.state?.waiting;
  if (waiting?.reason !== undefined) {
    const last = container?.lastState?.terminated;
    const phase = HOPELESS.has(waiting.reason) ? 'failed' : 'pending';
    return last?.reason === 'OOMKilled'
      ? described(phase, 'OOMKilled', `the pod ran out of memory and waits: ${waiting.reason}`)
      : described(phase, waiting.reason, waiting.message);
  }
  if (terminated !== undefined) return described('pending', terminated.reason, terminated.message);
  const unscheduled = status?.conditions?.find((each) => each.type === 'PodScheduled' && each.status === 'False');
  return described('pending', unscheduled?.reason, unscheduled?.message);
}

function described(phase: ObservedPod['phase'], reason?: string, message?: string): Condition {
  return { phase, ...(reason && { reason }), ...(message && { message }) };
}
