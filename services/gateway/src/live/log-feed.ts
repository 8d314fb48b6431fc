import type { LogBatch, LogHead } from '@capstan/api';
import type { Id } from '@capstan/domain';

type Line = LogBatch['lines'][number];

/** Where a feed finds what no message brought. */
export interface LogSource {
  /** Highest sequence stored, and whether the run is over; read in this order: over first. */
  head(runId: Id): Promise<{ readonly head: number; readonly ended: boolean } | null>;
  lines(runId: Id, after: number, limit: number): Promise<readonly Line[]>;
}

export interface FeedOptions {
  readonly runId: Id;
  /** Sequence up to which followers read by REST. */
  readonly from: number;
  readonly source: LogSource;
  readonly emitLines: (batch: LogBatch) => void;
  readonly emitHead: (head: LogHead) => void;
  readonly onError: (error: unknown) => void;
}

/** Lines of one read. */
const PAGE = 500;
/** A live line is cut to this many characters; its whole text comes by REST. */
const MAX_LIVE_TEXT = 65_536;

/**
 * The log of one run as its followers get it: every line above `from` once and in order, whatever messages are lost,
 * repeated or late. Messages are the quick way; a hole is read from Postgres, once for all followers. Everything that
 * is announced was committed before, so that what is read is never behind what was announced.
 */
export class LogFeed {
  private sent: number;
  private wanted: number;
  private ended = false;
  private saidEnd = false;
  private filling: Promise<void> | undefined;
  private closed = false;

  constructor(private readonly options: FeedOptions) {
    this.sent = options.from;
    this.wanted = options.from;
  }

  /** Lines that a message brought. */
  take(lines: readonly Line[]): void {
    const last = lines.at(-1);
    const first = lines[0];
    if (this.closed || first === undefined || last === undefined || last.sequence <= this.sent) return;
    this.wanted = Math.max(this.wanted, last.sequence);
    // While a hole is filled these lines are stored already: the filling reads them in their turn.
    if (this.filling !== undefined || first.sequence > this.sent + 1 || !isGapless(lines)) return this.fill();
    this.emit(lines.filter(({ sequence }) => sequence > this.sent));
  }

  /** A head that a message or a sweep brought. */
  reach(head: number, ended: boolean): void {
    if (this.closed) return;
    this.wanted = Math.max(this.wanted, head);
    this.ended ||= ended;
    if (this.wanted > this.sent) this.fill();
    else if (this.filling === undefined) this.sayHead();
  }

  /** Messages may have been missed: looks how far the log goes. */
  async look(): Promise<void> {
    if (this.saidEnd && this.sent >= this.wanted) return;
    try {
      const found = await this.options.source.head(this.options.runId);
      if (found !== null) this.reach(found.head, found.ended);
    } catch (error) {
      this.options.onError(error);
    }
  }

  close(): void {
    this.closed = true;
  }

  private fill(): void {
    this.filling ??= this.readOn()
      .catch((error: unknown) => this.options.onError(error))
      .finally(() => {
        this.filling = undefined;
        if (this.sent >= this.wanted) this.sayHead();
      });
  }

  private async readOn(): Promise<void> {
    while (!this.closed && this.sent < this.wanted) {
      const lines = await this.options.source.lines(this.options.runId, this.sent, PAGE);
      if (lines.length === 0) return;
      this.emit(lines);
    }
  }

  private emit(lines: readonly Line[]): void {
    const last = lines.at(-1);
    if (this.closed || last === undefined) return;
    this.sent = last.sequence;
    this.wanted = Math.max(this.wanted, this.sent);
    this.options.emitLines({ runId: this.options.runId, lines: lines.map(cut) });
  }

  private sayHead(): void {
    if (this.closed || (this.ended && this.saidEnd)) return;
    this.saidEnd = this.ended;
    this.options.emitHead({ runId: this.options.runId, head: this.sent, ended: this.ended });
  }
}

function isGapless(lines: readonly Line[]): boolean {
  return lines.every((line, index) => index === 0 || line.sequence === lines[index - 1]!.sequence + 1);
}

function cut(line: Line): Line {
  if (line.text.length <= MAX_LIVE_TEXT) return line;
  return { ...line, text: `${line.text.slice(0, MAX_LIVE_TEXT)} … (cut; reload for the whole line)` };
}
