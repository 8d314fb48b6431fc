import { z } from 'zod';
import { baseConfig, integer, isolationSettings, keepDays } from '@capstan/service-kit';

const DAY_MS = 86_400_000;
const ms = (fallback: number, max: number) => integer({ min: 1_000, max }).default(fallback);

/** Everything that the pod pool reads from the environment. */
export const podPoolConfig = baseConfig.extend({
  CAPSTAN_RUNTIME: z.enum(['local']).default('local').meta({ description: 'Where pods live' }),
  ...isolationSettings,
  CAPSTAN_POD_READY_TIMEOUT_MS: ms(120_000, DAY_MS).meta({ description: 'How long a pod may take to become ready' }),
  CAPSTAN_POD_UNSCHEDULABLE_TIMEOUT_MS: ms(600_000, DAY_MS).meta({
    description: 'The same while the cluster has no room for it',
  }),
  CAPSTAN_REPO_POD_IDLE_MS: ms(600_000, 30 * DAY_MS).meta({
    description: 'How long a pod may idle before it is given up',
  }),
  CAPSTAN_HEALTH_CHECK_INTERVAL_MS: ms(30_000, DAY_MS).meta({ description: 'Time between two sweeps over all pods' }),
  CAPSTAN_WORKTREE_ENDED_MS: ms(7_200_000, 30 * DAY_MS).meta({
    description: "How long a worktree outlives its task's end",
  }),
  CAPSTAN_WORKTREE_OPENED_MS: ms(7 * DAY_MS, 90 * DAY_MS).meta({
    description: 'How long a worktree may idle while its pull request is open',
  }),
  CAPSTAN_RETENTION_POD_DAYS: keepDays(30, 'health events, and rows of worktrees and pods that are gone'),
});
export type PodPoolConfig = z.infer<typeof podPoolConfig>;
