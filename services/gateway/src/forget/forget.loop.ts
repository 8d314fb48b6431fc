import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
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
import type { GatewayConfig } from '../gateway.config.js';

/** Forgets what has had its time: sessions, links, counted attempts, kept answers, old lines of the audit. */
@Injectable()
export class ForgetLoop implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(CONFIG) private readonly config: GatewayConfig,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    const rules = gatewayRules(this.database, this.config.keepDays);
    retentionLoop(this.loops, new Retention(this.metrics, this.logger), rules);
  }
}

/** What goes of the gateway's tables, and when. */
export function gatewayRules(database: Database, keep: GatewayConfig['keepDays']): readonly RetentionRule[] {
  return [
    retainedTable(database, { table: 'session', aged: 'expires_at', keepMs: 0 }),
    retainedTable(database, { table: 'sign_in_link', aged: 'expires_at', keepMs: 0 }),
    retainedTable(database, {
      table: 'sign_in_attempt',
      aged: 'updated_at',
      keepMs: DAY_MS,
      held: 'r.locked_until >= clock_timestamp()',
    }),
    // A client that repeats a request does so within minutes.
    retainedTable(database, { table: 'idempotency', aged: 'created_at', keepMs: keep.idempotency * DAY_MS }),
    retainedTable(database, { table: 'audit', aged: 'at', keepMs: keep.audit * DAY_MS }),
    // What was asked of a parked row; the row itself tells what came of it.
    retainedTable(database, {
      table: 'parked_request',
      aged: 'answered_at',
      only: 'r.answered_at is not null',
      keepMs: keep.request * DAY_MS,
    }),
  ];
}
