import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database, MESSAGE_PENDING } from '@capstan/database';
import {
  CONFIG,
  DAY_MS,
  LOGGER,
  Loops,
  METRICS,
  Retention,
  retainedTable,
  retentionLoop,
  type Logger,
  type Metrics,
  type RetentionRule,
} from '@capstan/service-kit';
import type { SchedulerConfig } from '../scheduler.config.js';

/** Forgets answered requests of tasks that have ended; what was asked stays in the task's life. */
@Injectable()
export class ForgetLoop implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(CONFIG) private readonly config: SchedulerConfig,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const rules = schedulerRules(this.database, this.config.CAPSTAN_RETENTION_REQUEST_DAYS);
    retentionLoop(this.loops, new Retention(this.metrics, this.logger), rules);
  }
}

/** What goes of the scheduler's tables, and when. Tasks and their lives stay. */
export function schedulerRules(database: Database, requestDays: number): readonly RetentionRule[] {
  return [
    retainedTable(database, {
      table: 'task_request',
      aged: 'answered_at',
      only: 'r.answered_at is not null',
      // A message that no run has got yet is for the one that a retry would start, however late.
      held: `r.parked_at is not null or exists (select from task_request m where m.id = r.id and ${MESSAGE_PENDING})`,
      taskState: '(select t.state from task t where t.id = r.task_id)',
      keepMs: requestDays * DAY_MS,
    }),
  ];
}
