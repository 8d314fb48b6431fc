import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database } from '@capstan/database';
import {
  CONFIG,
  DAY_MS,
  LOGGER,
  Loops,
  METRICS,
  Retention,
  decideRetention,
  retainedTable,
  retentionLoop,
  type Logger,
  type Metrics,
  type RetentionRule,
} from '@capstan/service-kit';
import type { AgentRunnerConfig } from '../agent-runner.config.js';
import { expireLogs, finishRemoval, removeLines } from './forget-logs.apply.js';
import { oldestLogSeconds, readExpiredLog, readOldLogs, type ExpiredLog, type OldLog } from './forget-logs.snapshot.js';

/** Runs that are marked at a time, so that few logs are ever neither whole nor gone. */
const RUNS_AT_A_TIME = 20;

/** What came of a test is of interest until the next. */
const REQUEST_DAYS = 30;

/** Forgets logs, by whole runs, and workers that have been silent for a day. */
@Injectable()
export class ForgetLogsLoop implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(CONFIG) private readonly config: AgentRunnerConfig,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const rules = [
      logRule(this.database, this.config.CAPSTAN_RETENTION_LOG_DAYS * DAY_MS),
      retainedTable(this.database, { table: 'agent_request', aged: 'answered_at', keepMs: REQUEST_DAYS * DAY_MS }),
      retainedTable(this.database, { table: 'worker', aged: 'heartbeat_at', keepMs: DAY_MS }),
    ];
    retentionLoop(this.loops, new Retention(this.metrics, this.logger), rules);
  }
}

/** Logs of runs that ended so long ago and whose task has ended, too: marked first, then removed line by line. */
export function logRule(database: Database, keepMs: number): RetentionRule {
  return {
    table: 'run_log',
    begin: () => {
      let judged: OldLog | null = null;
      let removing: (ExpiredLog & { readonly behind: number }) | null = null;
      const markNext = async (): Promise<boolean> => {
        const runs: readonly OldLog[] = await readOldLogs(database, { keepMs, behind: judged, limit: RUNS_AT_A_TIME });
        judged = runs.at(-1) ?? judged;
        const old = decideRetention(runs, keepMs);
        await expireLogs(
          database,
          old.map(({ id }) => id),
        );
        return runs.length > 0;
      };
      return async (limit) => {
        if (removing === null) {
          const expired = await readExpiredLog(database);
          if (expired === null) return { deleted: 0, more: await markNext() };
          removing = { ...expired, behind: 0 };
        }
        const { id: runId, head, behind } = removing;
        const upTo = Math.min(head, behind + limit);
        const deleted = await removeLines(database, { runId, behind, upTo });
        removing = { ...removing, behind: upTo };
        if (upTo >= head) {
          await finishRemoval(database, runId);
          removing = null;
        }
        return { deleted, more: true };
      };
    },
    oldestSeconds: () => oldestLogSeconds(database),
  };
}
