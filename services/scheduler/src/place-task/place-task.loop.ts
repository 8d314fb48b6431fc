import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Database } from '@capstan/database';
import { CONFIG, LOGGER, Loops, METRICS, coalesce, type Logger, type Metrics } from '@capstan/service-kit';
import { explainWaiting } from '../explain-waiting/explain-waiting.apply.js';
import type { SchedulerConfig } from '../scheduler.config.js';
import { placeTasks } from './place-task.apply.js';
import { nextDueMs } from './place-task.snapshot.js';

const RESYNC_MS = 10_000;
/** Explanations follow a burst of placements, not each of them. ms */
const EXPLAIN_AFTER_MS = 250;
/** The alarm rings a little late: what it rings for must be past by the database's clock. ms */
const ALARM_LATE_MS = 20;

/** Places whatever can be placed whenever it is woken, one pass at a time, and then says why the rest waits. */
@Injectable()
export class Placer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly pass: () => Promise<void>;
  private readonly explain: () => Promise<void>;
  private explaining: NodeJS.Timeout | undefined;
  /** Rings when a back-off or a pause ends, so that nothing waits for the resync. */
  private alarm: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    @Inject(CONFIG) private readonly config: SchedulerConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(METRICS) metrics: Metrics,
  ) {
    const placed = metrics.counter('capstan_tasks_placed_total', 'Tasks that were given a slot');
    this.pass = coalesce(async () => {
      for (;;) {
        const { count, more } = await placeTasks(database, config.CAPSTAN_MAX_CONCURRENT);
        if (count > 0) {
          placed.add({}, count);
          this.logger.info({ count }, count === 1 ? 'task placed' : 'tasks placed');
        }
        if (!more) break;
      }
      this.explaining ??= setTimeout(() => this.explainSoon(), EXPLAIN_AFTER_MS).unref();
    });
    this.explain = coalesce(() => this.explainNow());
  }

  onApplicationBootstrap(): void {
    this.loops.every({ name: 'place', everyMs: RESYNC_MS, pass: () => this.wake() });
  }

  onModuleDestroy(): void {
    this.closed = true;
    clearTimeout(this.alarm);
    clearTimeout(this.explaining);
  }

  /** Resolves when a pass that began after the call has ended. */
  wake(): Promise<void> {
    return this.pass();
  }

  private explainSoon(): void {
    this.explaining = undefined;
    this.explain().catch((error: unknown) => this.logger.warn({ err: error }, 'explaining why tasks wait failed'));
  }

  private async setAlarm(): Promise<void> {
    const waitMs = await nextDueMs(this.database);
    clearTimeout(this.alarm);
    if (this.closed || waitMs === null || waitMs > RESYNC_MS) return;
    this.alarm = setTimeout(
      () => {
        this.wake().catch((error: unknown) =>
          this.logger.warn({ err: error }, 'placing failed; the resync repeats it'),
        );
      },
      Math.max(0, waitMs) + ALARM_LATE_MS,
    ).unref();
  }

  private async explainNow(): Promise<void> {
    const explained = await explainWaiting(this.database, this.config.CAPSTAN_MAX_CONCURRENT);
    if (explained === null) return;
    for (const { taskId, code, detail } of explained) this.logger.info({ taskId, waiting: code, detail }, 'task waits');
    await this.setAlarm();
  }
}
