import {
  MAX_POD_ATTEMPTS,
  backoffMs,
  unreachable,
  type PodHealthKind,
  type PodState,
  type PodSymptomCode,
} from '@capstan/domain';
import type { ObservedPod } from '@capstan/runtimes';

export interface PodSnapshot {
  /** Unix ms by the database's clock. */
  readonly now: number;
  readonly random: number;
  readonly readyTimeoutMs: number;
  readonly unschedulableTimeoutMs: number;
  readonly pod: {
    readonly state: PodState;
    readonly attempts: number;
    readonly notBefore: number | null;
    readonly deadlineAt: number | null;
  };
  /** What the runtime shows of it; null when it shows nothing. */
  readonly observed: Pick<ObservedPod, 'phase' | 'reason' | 'message' | 'restarts' | 'isolation'> | null;
}

export type PodPlan =
  | { readonly kind: 'none'; readonly reason: string }
  /** Ask the runtime for it, and give it until `deadlineAt`. */
  | { readonly kind: 'create'; readonly deadlineAt: number }
  | { readonly kind: 'ready' }
  /** What is there is a former attempt's, whose failure is counted already: it goes before another is made. */
  | { readonly kind: 'clear' }
  /** This attempt failed: delete it, then try again or give up. */
  | {
      readonly kind: 'failed';
      readonly code: PodSymptomCode;
      readonly detail: string;
      readonly final: boolean;
      readonly notBefore: number | null;
    }
  /** A pod that worked is gone or broken: its runs end, its row goes. */
  | {
      readonly kind: 'lost';
      readonly code: PodSymptomCode;
      readonly detail: string;
      readonly health: PodHealthKind;
    }
  /** Finish a deletion that was begun. */
  | { readonly kind: 'delete' };

/** Reasons that no waiting cures. */
const HOPELESS = new Set(['ErrImageNeverPull', 'InvalidImageName']);
const UNSCHEDULABLE = 'Unschedulable';
/** An image that can't be pulled is given this long, ms: registries hiccup. */
const PULL_PATIENCE_MS = 20_000;
const PULL_REASONS = new Set(['ImagePullBackOff', 'ErrImagePull']);
const ATTEMPT_BACKOFF = { baseMs: 5_000, maxMs: 60_000 };

/** The platform's reasons that have a remedy of their own. */
const SYMPTOM_OF_REASON: Readonly<Record<string, PodSymptomCode>> = {
  ErrImageNeverPull: 'image_missing',
  InvalidImageName: 'image_name_invalid',
  ImagePullBackOff: 'image_pull_failed',
  ErrImagePull: 'image_pull_failed',
  [UNSCHEDULABLE]: 'pod_unschedulable',
  OOMKilled: 'pod_out_of_memory',
  Evicted: 'pod_evicted',
};

function symptomOfPod(reason: string | undefined, otherwise: PodSymptomCode): PodSymptomCode {
  return (reason === undefined ? undefined : SYMPTOM_OF_REASON[reason]) ?? otherwise;
}

/** What to do about one pod now. */
export function decidePod(snapshot: PodSnapshot): PodPlan {
  switch (snapshot.pod.state) {
    case 'provisioning':
      return decideProvisioning(snapshot);
    case 'ready':
      return decideReady(snapshot);
    case 'error':
      return snapshot.pod.notBefore !== null && snapshot.now < snapshot.pod.notBefore
        ? { kind: 'none', reason: 'failed for good; kept for a while so that people see why' }
        : { kind: 'delete' };
    case 'terminating':
      return { kind: 'delete' };
    default:
      return unreachable(snapshot.pod.state);
  }
}

/** The runtime makes no pod whose boundary isn't proven: an attempt that failed, since what it lacks may be on its way. */
export function decideRefused(snapshot: PodSnapshot, refusal: { readonly message: string }): PodPlan {
  return failed(snapshot, 'isolation_unproven', refusal.message);
}

function decideProvisioning(snapshot: PodSnapshot): PodPlan {
  const { pod, observed, now } = snapshot;
  // Each attempt has a deadline before its pod is asked for.
  const formers = pod.attempts > 0 && pod.deadlineAt === null;
  if (formers && observed !== null && observed.phase !== 'gone' && observed.phase !== 'terminating')
    return { kind: 'clear' };
  if (pod.notBefore !== null && now < pod.notBefore)
    return { kind: 'none', reason: 'backing off before the next attempt' };
  if (observed === null || observed.phase === 'gone')
    return pod.deadlineAt !== null && now > pod.deadlineAt
      ? failed(snapshot, 'pod_timeout', 'It never appeared')
      : { kind: 'create', deadlineAt: now + snapshot.readyTimeoutMs };
  const words = [observed.reason, observed.message].filter(Boolean).join(': ') || 'no reason given';
  const code = symptomOfPod(observed.reason, 'pod_failed');
  switch (observed.phase) {
    case 'ready':
      return { kind: 'ready' };
    case 'failed':
      return failed(snapshot, code, words);
    case 'terminating':
      return { kind: 'none', reason: 'a former attempt is still going away' };
    case 'pending': {
      if (observed.reason !== undefined && HOPELESS.has(observed.reason)) return failed(snapshot, code, words);
      const began = (pod.deadlineAt ?? now) - snapshot.readyTimeoutMs;
      if (observed.reason !== undefined && PULL_REASONS.has(observed.reason) && now - began > PULL_PATIENCE_MS)
        return failed(snapshot, code, words);
      const patience = observed.reason === UNSCHEDULABLE ? snapshot.unschedulableTimeoutMs : snapshot.readyTimeoutMs;
      return now - began > patience
        ? failed(
            snapshot,
            symptomOfPod(observed.reason, 'pod_timeout'),
            `Not ready after ${Math.round(patience / 1000)} s: ${words}`,
          )
        : { kind: 'none', reason: words };
    }
    default:
      return unreachable(observed.phase);
  }
}

function decideReady({ observed }: PodSnapshot): PodPlan {
  if (observed === null || observed.phase === 'gone')
    return { kind: 'lost', code: 'pod_lost', detail: 'The pod is gone', health: 'crashed' };
  if (observed.phase === 'failed' || observed.phase === 'terminating') {
    const detail = [observed.reason, observed.message].filter(Boolean).join(': ') || `The pod is ${observed.phase}`;
    const code = symptomOfPod(observed.reason, 'pod_lost');
    return { kind: 'lost', code, detail, health: code === 'pod_out_of_memory' ? 'oom_killed' : 'crashed' };
  }
  return { kind: 'none', reason: observed.phase };
}

function failed({ pod, now, random }: PodSnapshot, code: PodSymptomCode, detail: string): PodPlan {
  const attempts = pod.attempts + 1;
  if (attempts >= MAX_POD_ATTEMPTS)
    return { kind: 'failed', code, detail, final: true, notBefore: now + KEEP_ERROR_MS };
  return { kind: 'failed', code, detail, final: false, notBefore: now + backoffMs(attempts, random, ATTEMPT_BACKOFF) };
}

/** How long a pod that failed for good stays to be seen before its place is free again, ms. */
export const KEEP_ERROR_MS = 60_000;
