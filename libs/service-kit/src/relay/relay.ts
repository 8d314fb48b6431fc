import {
  claimOutbox,
  deleteOutbox,
  failRow,
  outboxBacklog,
  type Database,
  type Outbox,
  type OutboxRow,
} from '@capstan/database';
import { Bug, errorText, type FaultPort } from '@capstan/domain';
import type { Broker } from '@capstan/jetstream';
import { ParkedRequests, type ParkedVerb } from '../parked/parked-requests.js';
import { coalesce } from '../resync/coalesce.js';
import { everyLoop, type Loop } from '../resync/resync.js';
import type { Logger } from '../telemetry/logger.js';
import type { Metrics } from '../telemetry/metrics.js';

export interface RelayOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly faults?: FaultPort;
}

/** A committed row that is older than this was left by a process that died, or by an outage. ms */
const LEFT_AFTER_MS = 1_000;
const SWEEP_EVERY_MS = 1_000;
const SWEEP_LIMIT = 200;

/** Publishes in flight at the same time. */
const PARALLEL = 32;

/** Acknowledged rows are deleted many at a time. A process that dies meanwhile leaves them to be published again. ms */
const DELETE_AFTER_MS = 50;

/** Rows that wait in memory at most; the sweep brings the rest. */
const MAX_WAITING = 5_000;

/** A parked row of the outbox: the sweep, which looks each second, is all that a replay needs. */
const PARKED_EVENT: ParkedVerb<Outbox & { readonly workspaceId: never }> = {
  replay: async () => 'It is published again within a second or two',
  drop: async (tx, { id, event }) => {
    await tx.query('delete from outbox where id = $1', [id]);
    return `${event} is not told; whom it would have woken finds the same by looking, seconds later`;
  },
};

/**
 * Carries the outbox to the broker: rows of this process at once after their commit, rows that anybody left behind by
 * a sweep. A row goes only after the broker acknowledged it, so an outage loses nothing; it may be published twice
 * and in another order, which handlers stand.
 */
export class Relay {
  private readonly waiting: OutboxRow[] = [];
  private readonly inFlight = new Set<Promise<void>>();
  private readonly acknowledged: string[] = [];
  private readonly flushDeletes = coalesce(() => this.deleteAcknowledged());
  private readonly sweep: Loop;
  private readonly forget: readonly (() => void)[];
  private readonly requests: ParkedRequests;
  private deleteSoon: NodeJS.Timeout | undefined;
  private closed = false;

  private constructor(private readonly options: RelayOptions) {
    const { database, broker, logger, metrics } = options;
    this.requests = new ParkedRequests({ database, logger, owner: 'relay', verbs: { outbox: PARKED_EVENT } });
    this.forget = [database.onCommitted((rows) => this.push(rows)), broker.onReconnect(() => void this.sweep.wake())];
    this.sweep = everyLoop({ name: 'relay', logger, everyMs: SWEEP_EVERY_MS, pass: () => this.takeLeft() });
    metrics.gauge('capstan_outbox_rows', 'Events that were not published yet', async (gauge) => {
      const { rows, oldestMs } = await outboxBacklog(database);
      gauge.set(rows);
      oldest.set(oldestMs / 1000);
    });
    const oldest = metrics.gauge('capstan_outbox_oldest_seconds', 'Age of the oldest unpublished event');
    this.published = metrics.counter('capstan_events_published_total', 'Events that the broker acknowledged');
  }

  private readonly published;

  static start(options: RelayOptions): Relay {
    return new Relay(options);
  }

  /** Takes no more, and gives what is in flight `graceMs`. What is left stays in the outbox. */
  async close(graceMs = 2_000): Promise<void> {
    this.closed = true;
    for (const each of this.forget) each();
    let timer: NodeJS.Timeout | undefined;
    const drained = (async () => {
      await this.sweep.close();
      while (this.waiting.length > 0 || this.inFlight.size > 0) await Promise.race(this.inFlight);
      clearTimeout(this.deleteSoon);
      await this.flushDeletes();
    })();
    await Promise.race([
      drained.catch(() => undefined),
      new Promise((resolve) => (timer = setTimeout(resolve, graceMs))),
    ]);
    clearTimeout(timer);
  }

  private push(rows: readonly OutboxRow[]): void {
    // While the broker is out of reach the sweep will bring them; waiting here would only cost memory.
    if (this.closed || !this.options.broker.status().connected) return;
    if (this.waiting.length + rows.length > MAX_WAITING) return;
    this.waiting.push(...rows);
    this.pump();
  }

  private async takeLeft(): Promise<void> {
    await this.flushDeletes();
    for (const { id } of await this.requests.due(PARALLEL)) await this.requests.apply(id);
    const { database, broker } = this.options;
    if (this.closed || !broker.status().connected) return;
    for (;;) {
      const rows = await claimOutbox(database, { limit: SWEEP_LIMIT, olderThanMs: LEFT_AFTER_MS });
      await Promise.all(rows.map((row) => this.send(row)));
      await this.flushDeletes();
      if (rows.length < SWEEP_LIMIT || this.closed || !broker.status().connected) return;
    }
  }

  private pump(): void {
    while (this.inFlight.size < PARALLEL) {
      const row = this.waiting.shift();
      if (row === undefined) return;
      const sending: Promise<void> = this.send(row).finally(() => {
        this.inFlight.delete(sending);
        this.pump();
      });
      this.inFlight.add(sending);
    }
  }

  private async send(row: OutboxRow): Promise<void> {
    const { broker, faults } = this.options;
    try {
      await faults?.('publish.before');
      await broker.publishRaw(row);
      await faults?.('publish.after');
    } catch (error) {
      // The row stays: the sweep takes it again.
      if (error instanceof Bug) await this.refused(row, error);
      else this.options.logger.debug({ event: row.event }, `an event waits in the outbox: ${errorText(error)}`);
      return;
    }
    this.published.add({ event: row.event });
    this.acknowledged.push(row.id);
    this.deleteSoon ??= setTimeout(() => {
      this.deleteSoon = undefined;
      void this.flushDeletes();
    }, DELETE_AFTER_MS);
  }

  /** The broker would never take it: counted, and parked at the cap. An outage never counts. */
  private async refused({ id, event }: OutboxRow, error: Bug): Promise<void> {
    const { database, logger } = this.options;
    try {
      const { parked } = await failRow(database, 'outbox', id, error);
      const level = parked ? 'error' : 'warn';
      logger[level](
        { event, outboxId: id, err: error },
        parked ? 'event parked' : 'an event was refused by the broker',
      );
    } catch (second) {
      logger.debug({ event, err: second }, 'that an event was refused could not be written down');
    }
  }

  /** One statement at a time deletes all rows that were acknowledged meanwhile. */
  private async deleteAcknowledged(): Promise<void> {
    try {
      while (this.acknowledged.length > 0) {
        const ids = this.acknowledged.slice(0, 1_000);
        await deleteOutbox(this.options.database, ids);
        this.acknowledged.splice(0, ids.length);
      }
    } catch (error) {
      // They are published again at worst, under the same ids.
      this.acknowledged.length = 0;
      this.options.logger.debug(`published events can't be deleted yet: ${errorText(error)}`);
    }
  }
}
