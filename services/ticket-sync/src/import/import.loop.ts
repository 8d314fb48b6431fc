import { TransientError, UserError, errorAdvice } from '@capstan/domain';
import { rowError, type Database, type TicketSource } from '@capstan/database';
import { traceparentOrNew, type Found, type Logger } from '@capstan/service-kit';
import { InFlight } from '../in-flight.js';
import type { TrackerAccess } from '../tracker-access.js';
import { applyImport, applyPoll } from './import.apply.js';
import { decideImport, isSurprise, nextPollMs, storedEtag, usableEtag } from './import.decide.js';
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
    const { database, intervalMs } = this.parts;
    try {
      const { etag, fault } = await this.importNew(source);
      // One ticket's own fault is told; the source works, and isn't set aside for it.
      if (fault !== undefined) return await this.failed(source, fault, { surprise: false });
      await applyPoll(database, source, {
        etag,
        failure: null,
        nextPollMs: nextPollMs(intervalMs, null, Math.random()),
      });
    } catch (error) {
      await this.failed(source, error, { surprise: isSurprise(error) });
    }
  }

  /** The etag is kept only once everything that it stands for is imported: not with a fault of one ticket's. */
  private async importNew(source: TicketSource): Promise<{ readonly etag: string | null; readonly fault?: unknown }> {
    const { database, access, logger, imported } = this.parts;
    const { project, label } = source;
    const opened = await access.of(source, 'read_tickets');
    const known = usableEtag(project, label, source.etag);
    const polled = opened.tracker.poll(opened.connection, label, known, AbortSignal.timeout(POLL_TIMEOUT_MS));
    const page = await polled.catch((error: unknown) => {
      if (error instanceof UserError && error.code === 'credential_refused') access.refused(source, opened);
      throw error;
    });
    if (page.tickets === null) return { etag: source.etag };
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
    return fault === undefined ? { etag: storedEtag(project, label, page.etag) } : { etag: source.etag, fault };
  }

  private async failed(
    source: TicketSource,
    error: unknown,
    { surprise }: { readonly surprise: boolean },
  ): Promise<void> {
    const { database, logger, intervalMs } = this.parts;
    const text = errorAdvice(error);
    const fields = { err: error, ticketSourceId: source.id };
    if (source.lastError !== text)
      logger[isSurprise(error) ? 'error' : 'warn'](fields, `tickets could not be read: ${text}`);
    const retryAfterMs = error instanceof TransientError ? error.retryAfterMs : undefined;
    const failure = { attempts: source.attempts + 1, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    const delay = nextPollMs(intervalMs, failure, Math.random());
    try {
      const { code } = rowError(error);
      const { parked } = await applyPoll(database, source, {
        etag: source.etag,
        failure: { text, code, surprise },
        nextPollMs: delay,
      });
      if (parked) logger.error(fields, 'ticket source parked: replay it when the cause is gone');
    } catch (second) {
      // The claim lapses by itself, and another poll finds the same.
      logger.warn({ err: second, ticketSourceId: source.id }, 'how a poll went could not be written down');
    }
  }
}
