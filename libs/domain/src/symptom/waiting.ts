import { symptom } from './entry.js';

/** Why a task waits before its agent starts. */
export const WAITING_SYMPTOMS = {
  waiting_turn: symptom({
    category: 'state',
    retryable: true,
    title: 'Waiting for its turn',
    cause: 'Tasks with a lower priority number, or older ones, go first.',
    remedy: 'Lower its priority number to move it up.',
  }),
  global_limit: symptom({
    category: 'quota',
    retryable: true,
    title: 'Global limit reached',
    cause: 'As many tasks run as CAPSTAN_MAX_CONCURRENT allows.',
    remedy: 'Wait, cancel a running task, or raise CAPSTAN_MAX_CONCURRENT.',
  }),
  repository_limit: symptom({
    category: 'quota',
    retryable: true,
    title: 'Repository limit reached',
    cause: 'As many tasks of this repository run as its settings allow.',
    remedy: "Wait, or raise the repository's maximum of concurrent tasks.",
  }),
  no_free_slot: symptom({
    category: 'quota',
    retryable: true,
    title: 'No free slot',
    cause: "All slots of the repository's pods are taken and no further pod is allowed.",
    remedy: 'Wait, or raise the pods or the agents per pod in the repository’s settings.',
  }),
  dependency: symptom({
    category: 'state',
    retryable: true,
    title: 'Waiting for other tasks',
    cause: 'Tasks that this one depends on have not completed.',
    remedy: 'Complete or remove the dependencies.',
  }),
  no_ready_worker: symptom({
    category: 'resource',
    retryable: true,
    title: 'No ready worker',
    cause: 'No agent runner is alive and taking work.',
    remedy: 'Start the agent-runner service, and look at its log for why it is not ready.',
  }),
  pod_provisioning: symptom({
    category: 'resource',
    retryable: true,
    title: 'Pod is being made',
    cause: "The repository's pod is not ready yet.",
    remedy: 'Wait; the pod page says which attempt it is and what failed before.',
  }),
  credential_missing: symptom({
    category: 'auth',
    retryable: false,
    title: 'Credential missing',
    cause: 'A secret that the run needs is not set.',
    remedy: 'Set the secret that is named under Settings → Secrets.',
  }),
  rate_limited: symptom({
    category: 'quota',
    retryable: true,
    title: 'Rate limit',
    cause: 'The provider limits this credential until the time that is named.',
    remedy: 'Wait, or set another credential.',
  }),
  paused: symptom({
    category: 'state',
    retryable: true,
    title: 'Workspace is paused',
    cause: 'No run is started, and nothing is written to the forge or the tracker.',
    remedy: 'Resume the workspace: in the dashboard, or with `capstan resume`.',
  }),
  money_spent: symptom({
    category: 'quota',
    retryable: false,
    title: 'The task may cost nothing more',
    cause: 'Its runs have cost as much as maxCostUsd allows, so no further one is started.',
    remedy: 'Raise maxCostUsd: the task goes on by itself.',
  }),
  backing_off: symptom({
    category: 'state',
    retryable: true,
    title: 'Waiting before the next attempt',
    cause: 'The last attempt failed for a reason that may pass.',
    remedy: 'Wait, or retry now.',
  }),
} as const;
