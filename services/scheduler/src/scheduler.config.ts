import { baseConfig, integer, keepDays } from '@capstan/service-kit';
import type { z } from 'zod';

/** Everything that the scheduler reads from the environment. */
export const schedulerConfig = baseConfig.extend({
  CAPSTAN_MAX_CONCURRENT: integer({ min: 1, max: 10_000 })
    .default(5)
    .meta({ description: 'Tasks that may be provisioning or running at the same time, over all repositories' }),
  CAPSTAN_RETENTION_REQUEST_DAYS: keepDays(30, 'answered requests of tasks that have ended'),
});
export type SchedulerConfig = z.infer<typeof schedulerConfig>;
