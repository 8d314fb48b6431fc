import { z } from 'zod';
import { baseConfig, integer, isolationSettings, keepDays, logInSettings } from '@capstan/service-kit';

/** Everything that the agent runner reads from the environment. */
export const agentRunnerConfig = baseConfig.extend({
  CAPSTAN_WORKER_SLOTS: integer({ min: 1, max: 1_000 })
    .default(50)
    .meta({ description: 'Agents that this replica drives at the same time' }),
  CAPSTAN_STARTS_AT_ONCE: integer({ min: 1, max: 1_000 }).default(8).meta({
    description: 'Agents that this replica starts at the same moment; the next wait for at most two seconds each',
  }),
  CAPSTAN_RUNTIME: z.enum(['local']).default('local').meta({ description: 'Where pods live' }),
  ...isolationSettings,
  ...logInSettings,
  CAPSTAN_COMMIT_AUTHOR: z
    .string()
    .regex(/^[^<>\n]+ <[^<>\s]+>$/, 'expected Name <address>')
    .default('Capstan <capstan@localhost>')
    .meta({ description: 'Author of the commits that Capstan makes of work which an agent left uncommitted' }),
  CAPSTAN_RETENTION_LOG_DAYS: keepDays(30, 'logs of runs whose task has ended'),
});
export type AgentRunnerConfig = z.infer<typeof agentRunnerConfig>;
