import type { SymptomCode } from '../symptom/symptom.js';

/** Why a run exists. */
export const RUN_REASONS = [
  'initial',
  'ci_failed',
  'conflict',
  'changes_requested',
  'message',
  'retry',
  'restart',
] as const;
export type RunReason = (typeof RUN_REASONS)[number];

/**
 * placed: has a pod and a slot, nobody drives it · leased: a runner owns it and prepares the worktree ·
 * running: the agent was launched · finished: judged, `outcome` is set, its slot is free.
 */
export const RUN_STATES = ['placed', 'leased', 'running', 'finished'] as const;
export type RunState = (typeof RUN_STATES)[number];

/** What a finished run left behind; the closed list that the scheduler decides on (DESIGN §2). */
export const OUTCOME_KINDS = [
  'commits',
  'no_changes',
  'failed',
  'credential_refused',
  'rate_limited',
  'limit_reached',
  'lost',
  'stopped',
] as const;
export type OutcomeKind = (typeof OUTCOME_KINDS)[number];

export interface RunOutcome {
  readonly kind: OutcomeKind;
  /** One sentence for people. */
  readonly detail: string;
  /** Code in the symptom registry; undefined for `commits` and `stopped`. */
  readonly symptom?: SymptomCode;
  /** Set for `rate_limited` when the provider said when it ends (ISO 8601). */
  readonly resetAt?: string;
  /** The credential that a `rate_limited` or `credential_refused` run used, by secret name. */
  readonly credential?: string;
  /** Head commit of the worktree, when there are commits. */
  readonly head?: string;
  /** The commit that the branch started from. */
  readonly base?: string;
  readonly commitCount?: number;
}

/** How often a lost or failed run is tried again by itself. */
export const MAX_RETRIES = 3;
/** How often red CI sends the agent back in before a person is asked. */
export const MAX_CI_RESUMES = 10;
/** How often it does with the same checks failing in the same words: nothing new comes of a further try. */
export const MAX_SAME_CI_FAILURES = 3;

/**
 * Timing of a run's lease (DESIGN §3.6), ms. A lease is as long as lets another runner be attached within three seconds
 * of a runner's death, the time to attach included; and three renewals long, so that one that is late costs nothing.
 */
export const LEASE_MS = 2_600;
export const LEASE_RENEW_MS = 800;
export const LEASE_SWEEP_MS = 500;
