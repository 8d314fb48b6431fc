export const POD_STATES = ['provisioning', 'ready', 'error', 'terminating'] as const;
export type PodState = (typeof POD_STATES)[number];

export const POD_HEALTH_KINDS = ['crashed', 'oom_killed', 'restarted', 'healthy', 'orphan_cleaned'] as const;
export type PodHealthKind = (typeof POD_HEALTH_KINDS)[number];

export const RUNTIME_KINDS = ['local', 'kubernetes'] as const;
export type RuntimeKind = (typeof RUNTIME_KINDS)[number];

/** Whether a probe proved that the agent can reach nothing but egress. */
export const ISOLATION_STATES = ['isolated', 'not_isolated'] as const;
export type Isolation = (typeof ISOLATION_STATES)[number];

/** Attempts at one pod before its tasks fail, apart from the tasks' own retries. */
export const MAX_POD_ATTEMPTS = 3;
