import type { Database } from '@capstan/database';
import { TransientError, errorText, noFaults, type FaultPort } from '@capstan/domain';
import {
  EffectExecutor,
  type Found,
  type Logger,
  type Loop,
  type Loops,
  type Metrics,
  type ParkedVerbs,
  type Vault,
} from '@capstan/service-kit';
import { CloseTicket, CommentTicket, lookAgain } from './comment/comment-ticket.js';
import { Import } from './import/import.loop.js';
import { parkedVerbs } from './parked/parked-rows.apply.js';
import { Report } from './report/report.loop.js';
import { TrackerAccess } from './tracker-access.js';

export interface TicketSyncOptions {
  readonly database: Database;
  readonly vault: Vault;
  readonly logger: Logger;
  readonly loops: Loops;
  readonly metrics: Metrics;
  readonly faults?: FaultPort;
  /** Name of this replica. */
  readonly owner: string;
  /** Pace of polling a source. ms */
  readonly intervalMs: number;
}

/** How often a loop asks Postgres what is due, and how seldom while nothing is. ms */
const TICK_MS = 1_000;
const QUIET_MS = 4_000;
const REPORT_MS = 5_000;
const SECOND_LOOK_MS = 10_000;
const LIMIT = 100;

/** The verbs of ticket-sync and their loops: import, report, the effects. */
export class TicketSync {
  /** What people may ask of its parked rows. */
  readonly parked: ParkedVerbs;
  private readonly logger: Logger;
  private readonly importing: Import;
  private readonly effects: EffectExecutor;
  private readonly importLoop: Loop;
  private readonly reportLoop: Loop;
  private readonly effectLoop: Loop;
  private readonly secondLookLoop: Loop;

  constructor({ database, vault, logger, loops, metrics, owner, intervalMs, faults = noFaults }: TicketSyncOptions) {
    this.logger = logger;
    const access = new TrackerAccess(database, vault);
    const comments = new CommentTicket(access);
    const report = new Report(database, logger);
    this.importing = new Import({ database, access, logger, intervalMs, imported: () => this.wakeReport() });
    const handlers = { comment_ticket: comments, close_ticket: new CloseTicket(access) };
    this.parked = parkedVerbs({
      handlers,
      wake: () => {
        this.wakeEffects();
        this.wakeReport();
      },
      wakeImport: () => this.wakeImport(),
    });
    this.effects = new EffectExecutor({
      database,
      executor: 'ticket-sync',
      owner,
      handlers,
      metrics,
      faults,
      report: (level, message, fields) => logger[level](fields, message),
    });
    this.reportLoop = loops.every({ name: 'report', everyMs: REPORT_MS, pass: () => report.run(LIMIT) });
    const every = (name: string, pass: () => Promise<Found>) =>
      loops.every({ name, everyMs: TICK_MS, quietMs: QUIET_MS, pass });
    this.importLoop = every('import', () => this.importing.begin(LIMIT));
    this.effectLoop = every('effects', async () => this.beginEffects());
    const secondLook = () => lookAgain(database, comments, LIMIT);
    this.secondLookLoop = loops.every({ name: 'second look', everyMs: SECOND_LOOK_MS, pass: secondLook });
  }

  wakeImport(): void {
    void this.importLoop.wake();
  }
  wakeReport(): void {
    void this.reportLoop.wake();
  }
  wakeEffects(): void {
    void this.effectLoop.wake();
  }

  /** Takes nothing new and waits for what is at work. */
  async close(): Promise<void> {
    await Promise.all([this.importLoop.close(), this.reportLoop.close(), this.secondLookLoop.close()]);
    await this.effects.close();
    await Promise.all([this.effectLoop.close(), this.importing.drain()]);
  }

  /** Not awaited by the loop: a slow tracker must not hold up the others. */
  private beginEffects(): Found {
    this.effects.run().catch((error: unknown) => {
      // Without the database the other loops say so already.
      const level = error instanceof TransientError ? 'debug' : 'error';
      this.logger[level]({ err: error }, `effects could not be claimed: ${errorText(error)}`);
    });
    return this.effects.isQuiet ? 'nothing' : undefined;
  }
}
