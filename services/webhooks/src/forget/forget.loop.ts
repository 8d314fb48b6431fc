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
import type { WebhooksConfig } from '../webhooks.config.js';

/** Forgets deliveries: forges repeat one for three days, and nobody reads an old one again. */
@Injectable()
export class ForgetLoop implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(CONFIG) private readonly config: WebhooksConfig,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const rules = webhooksRules(this.database, this.config.keepDeliveryDays);
    retentionLoop(this.loops, new Retention(this.metrics, this.logger), rules);
  }
}

/** Deliveries go by age, but a repository's latest stays: it tells that the forge reaches us. */
export function webhooksRules(database: Database, deliveryDays: number): readonly RetentionRule[] {
  return [
    retainedTable(database, {
      table: 'delivery',
      aged: 'received_at',
      held: 'r.parked_at is not null',
      latest:
        'not exists (select from delivery later where later.repository_id = r.repository_id and later.received_at > r.received_at)',
      keepMs: deliveryDays * DAY_MS,
    }),
  ];
}
