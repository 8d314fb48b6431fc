import { errorText } from '@capstan/domain';
import type { Logger } from '../telemetry/logger.js';
import type { Counter, Gauge, Histogram, Metrics } from '../telemetry/metrics.js';
import { FIRST_BITE, nextBite } from './retention.decide.js';

/** What one transaction deleted, and whether there may be more. */
export interface Bite {
  readonly deleted: number;
  readonly more: boolean;
}

/** How the old rows of one table go. */
export interface RetentionRule {
  /** Label of the metrics. */
  readonly table: string;
  /** Begins a pass over what is old. Each call of the answered function is one transaction over at most `limit` rows. */
  readonly begin: () => (limit: number) => Promise<Bite>;
  /** Age of the oldest row that is kept, in seconds; null where there is none. */
  readonly oldestSeconds: () => Promise<number | null>;
}

/** Rows of one table that a sweep deletes at most; what is left is for the next. */
export const MOST_PER_SWEEP = 100_000;
/** Bites of one table that a sweep takes at most, also where everything it looks at has to stay. */
const MOST_BITES = 10_000;
/** Between two bites: others get at the disk. ms */
const PAUSE_MS = 10;

/**
 * Deletes what has had its time: in small bites, each a transaction of its own, so that nobody waits for a lock and a
 * stop is never far. A sweep may be cut short anywhere, and several replicas may sweep at once.
 */
export class Retention {
  private readonly deleted: Counter;
  private readonly seconds: Histogram;
  private readonly oldest: Gauge;

  constructor(
    metrics: Metrics,
    private readonly logger: Logger,
    private readonly mostPerSweep = MOST_PER_SWEEP,
  ) {
    this.deleted = metrics.counter('capstan_retention_deleted_total', 'Rows deleted because of their age, by table');
    this.seconds = metrics.histogram('capstan_retention_seconds', 'Duration of one deleting transaction, by table');
    this.oldest = metrics.gauge('capstan_retention_oldest_seconds', 'Age of the oldest row that is kept, by table');
  }

  /**
   * One sweep over all rules. A rule that fails doesn't keep the others from theirs; the first failure is thrown at the
   * end.
   * @returns whether a table has more that is old than one sweep deletes.
   */
  async sweep(rules: readonly RetentionRule[], stopped: () => boolean): Promise<{ readonly more: boolean }> {
    const startedAt = performance.now();
    const gone: Record<string, number> = {};
    const failures: unknown[] = [];
    let more = false;
    for (const rule of rules) {
      try {
        const { deleted, left } = await this.bites(rule, stopped);
        if (deleted > 0) gone[rule.table] = (gone[rule.table] ?? 0) + deleted;
        more ||= left;
        this.oldest.set(Math.max(0, (await rule.oldestSeconds()) ?? 0), { table: rule.table });
      } catch (error) {
        failures.push(error);
        this.logger.debug({ err: error, table: rule.table }, `retention of ${rule.table} failed: ${errorText(error)}`);
      }
    }
    if (Object.keys(gone).length > 0)
      this.logger.info({ deleted: gone, ms: Math.round(performance.now() - startedAt), more }, 'old rows deleted');
    if (failures.length > 0) throw failures[0];
    return { more };
  }

  private async bites(
    rule: RetentionRule,
    stopped: () => boolean,
  ): Promise<{ readonly deleted: number; readonly left: boolean }> {
    const bite = rule.begin();
    let deleted = 0;
    let size = FIRST_BITE;
    for (let bites = 0; bites < MOST_BITES && deleted < this.mostPerSweep; bites += 1) {
      if (stopped()) return { deleted, left: false };
      const startedAt = performance.now();
      const step = await bite(Math.min(size, this.mostPerSweep - deleted));
      const tookMs = performance.now() - startedAt;
      if (step.deleted > 0) {
        deleted += step.deleted;
        this.deleted.add({ table: rule.table }, step.deleted);
        this.seconds.observe(tookMs / 1_000, { table: rule.table });
      }
      if (!step.more) return { deleted, left: false };
      size = nextBite(size, tookMs);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return { deleted, left: deleted >= this.mostPerSweep };
  }
}
