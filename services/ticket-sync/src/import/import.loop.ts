import { TransientError, UserError, errorAdvice } from '@capstan/domain';
import type { Database, TicketSource } from '@capstan/database';
import { traceparentOrNew, type Found, type Logger } from '@capstan/service-kit';
import { InFlight } from '../in-flight.js';
import type { TrackerAccess } from '../tracker-access.js';
import { applyImport, applyPoll } from './import.apply.js';
import { decideImport, nextPollMs, storedEtag, usableEtag } from './import.decide.js';
import { claimSources, knownOpenings, readComments } from './import.snapshot.js';

const POLL_TIMEOUT_MS = 30_000;

/** Polls due sources and makes a task of each new opening. */
export class Import {
  private readonly inFlight = new InFlight(8);

  constructor(
    private readonly parts: {
      readonly database: Database;
      readonly access: TrackerAccess;
      readonly logger: Logger;
      readonly intervalMs: number;
      /** Called after a task was made. */
      readonly imported: () => void;
    },
  ) {}

  /** Begins a poll of every due source; they go on after this has resolved. */
  async begin(limit: number): Promise<Found> {
    const room = Math.min(limit, this.inFlight.free);
    if (room === 0) return undefined;
    const due = await claimSources(this.parts.database, room);
    for (const source of due) this.inFlight.begin(source.id, () => this.poll(source));
    return due.length === 0 ? 'nothing' : undefined;
  }

  /** Resolves when nothing is at work any more. */
  drain(): Promise<void> {
    return this.inFlight.drain();
  }

  /** Never rejects: how it went is in the source's row. */
  private async poll(source: TicketSource): Promise<void> {
    const { database, logger, intervalMs } = this.parts;
    try {
      const etag = await this.importNew(source);
      await applyPoll(database, source, { etag, error: null, nextPollMs: nextPollMs(intervalMs, null, Math.random()) });
    } catch (error) {
      const text = errorAdvice(error);
      const level = error instanceof UserError || error instanceof TransientError ? 'warn' : 'error';
      if (source.lastError !== text)
        logger[level]({ err: error, ticketSourceId: source.id }, `tickets could not be read: ${text}`);
      await this.failed(source, error, text);
    }
  }

  /** The etag is kept only once everything that it stands for is imported. */
  private async importNew(source: TicketSource): Promise<string | null> {
    const { database, access, logger, imported } = this.parts;
    const { project, label } = source;
    const opened = await access.of(source);
    const known = usableEtag(project, label, source.etag);
    const page = await opened.tracker.poll(opened.connection, label, known, AbortSignal.timeout(POLL_TIMEOUT_MS));
    if (page.tickets === null) return source.etag;
    const fresh = decideImport(label, page.tickets, await knownOpenings(database, source.id, page.tickets));
    let fault: unknown;
    for (const ticket of fresh) {
      try {
        const comments = await readComments(opened, ticket.key);
        const outcome = await applyImport(database, source, ticket, { comments, traceparent: traceparentOrNew() });
        if (outcome === 'stale') continue;
      } catch (error) {
        // What can't be asked at all would only fail again; one ticket's own fault holds up no other.
        if (error instanceof TransientError) throw error;
        fault ??= error;
        continue;
      }
      logger.info({ ticketSourceId: source.id, ticket: ticket.key }, `ticket ${project}#${ticket.key} is a task now`);
      imported();
    }
    if (fault !== undefined) throw fault;
    return storedEtag(project, label, page.etag);
  }

  private async failed(source: TicketSource, error: unknown, text: string): Promise<void> {
    const { database, logger, intervalMs } = this.parts;
    const retryAfterMs = error instanceof TransientError ? error.retryAfterMs : undefined;
    const failure = { attempts: source.attempts + 1, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    const delay = nextPollMs(intervalMs, failure, Math.random());
    try {
      await applyPoll(database, source, { etag: source.etag, error: text, nextPollMs: delay });
    } catch (second) {
      // The claim lapses by itself, and another poll finds the same.
      logger.warn({ err: second, ticketSourceId: source.id }, 'how a poll went could not be written down');
    }
  }
}
