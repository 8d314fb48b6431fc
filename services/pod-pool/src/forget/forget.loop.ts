import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database } from '@capstan/database';
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
import type { PodPoolConfig } from '../pod-pool.config.js';

/** Forgets what pods went through, worktrees that were removed, and pods that no run remembers. */
@Injectable()
export class ForgetLoop implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(CONFIG) private readonly config: PodPoolConfig,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const rules = podPoolRules(this.database, this.config.CAPSTAN_RETENTION_POD_DAYS);
    retentionLoop(this.loops, new Retention(this.metrics, this.logger), rules);
  }
}

/** What goes of the pod pool's tables, and when. A pod that had a run stays with it: the run names it. */
export function podPoolRules(database: Database, podDays: number): readonly RetentionRule[] {
  const keepMs = podDays * DAY_MS;
  return [
    retainedTable(database, { table: 'pod_health_event', aged: 'at', keepMs }),
    retainedTable(database, {
      table: 'worktree',
      aged: 'removed_at',
      only: 'r.removed_at is not null',
      taskState: '(select t.state from task t where t.id = r.task_id)',
      keepMs,
    }),
    retainedTable(database, {
      table: 'pod',
      aged: 'deleted_at',
      only: `r.deleted_at is not null
             and not exists (select from run u where u.pod_id = r.id)
             and not exists (select from worktree w where w.pod_id = r.id)
             and not exists (select from pod_health_event h where h.pod_id = r.id)`,
      held: 'r.parked_at is not null',
      keepMs,
    }),
  ];
}
