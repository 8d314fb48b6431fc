import {
  TransientError,
  type AttachItem,
  type FaultPort,
  type JournalLine,
  type LogLine,
  type RunExit,
} from '@capstan/domain';
import { logBatch, logHead } from '@capstan/events';
import type { AgentAdapter, ParseState, ParsedLine } from '@capstan/agents';
import type { Database, Run } from '@capstan/database';
import type { Broker } from '@capstan/jetstream';
import { writeLog, type LogBatchWrite } from './write-log.apply.js';

/** A newer epoch has the run: everything of this runner's about it ends at once. */
export class FencedError extends Error {
  constructor(runId: string) {
    super(`run ${runId} was taken over`);
  }
}

/** A batch is committed after this, or when it has this many lines. */
const BATCH_MS = 25;
const BATCH_LINES = 500;
/** Beyond this many lines in memory, reading waits for the commit. */
const BUFFER_LINES = 4_000;
/** The same in characters: a line may have a million. */
const BUFFER_CHARS = 8_000_000;
/** One live message, and one line within it, in bytes of text. */
const LIVE_BYTES = 200_000;
const LIVE_LINE = 16_000;
const HEAD_MS = 2_000;
const RETRY_MS = 250;

export interface LogWriterOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly agent: AgentAdapter;
  readonly run: Run;
  /** What the adapter kept of the run whose session this one goes on from. */
  readonly former?: ParseState['facts'];
  readonly signal: AbortSignal;
  readonly faults: FaultPort;
}

/**
 * Turns journal lines into log lines, commits them in batches under the run's epoch, then publishes what was committed.
 * While Postgres is away it holds what it has and stops reading: the journal keeps the rest.
 */
export class LogWriter {
  private state: ParseState;
  private buffer: LogLine[] = [];
  private bufferedChars = 0;
  private sequence: number;
  private journal: number;
  private dirty = false;
  private usageDirty = false;
  private flushing: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private lastHead = 0;
  private failure: unknown;
  private ended: RunExit | null = null;

  constructor(private readonly options: LogWriterOptions) {
    const { run, agent, former } = options;
    this.state = (run.parseState as ParseState | null) ?? agent.initial(run.agent, former);
    this.sequence = run.logSequence;
    this.journal = run.journalLine;
  }

  /** The next journal line that is wanted. */
  get next(): number {
    return this.journal + 1;
  }
  get exit(): RunExit | null {
    return this.ended;
  }
  get parseState(): ParseState {
    return this.state;
  }

  /** Takes what the supervisor printed. Lines that were taken before are passed over. Waits while the buffer is full. */
  async take(items: readonly AttachItem[]): Promise<void> {
    for (const item of items) {
      if ('beat' in item || item.n < this.next) continue;
      this.add(item);
    }
    if (this.failure !== undefined) throw this.failure;
    if (this.buffer.length >= BATCH_LINES) void this.startFlush();
    else this.schedule();
    if (this.buffer.length >= BUFFER_LINES || this.bufferedChars >= BUFFER_CHARS) await this.flush();
  }

  /** Appends a line of Capstan's own, e.g. what preparing cost. Not from the journal. */
  note(text: string, data?: Readonly<Record<string, unknown>>): void {
    this.append(new Date().toISOString(), { kind: 'system', text, ...(data === undefined ? {} : { data }) });
    this.schedule();
  }

  /** Commits all that was taken. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (;;) {
      await (this.flushing ?? this.startFlush());
      if (this.failure !== undefined) throw this.failure;
      if (!this.dirty) return;
    }
  }

  /** Tells the live view that no line will follow. */
  announceEnd(): void {
    this.publishHead(true);
  }

  private add(line: JournalLine): void {
    // Never counted as read: until the run is judged, whoever takes it over must be told of its end as well.
    if (line.kind === 'exit') {
      this.ended = line.exit;
      return;
    }
    this.journal = line.n;
    this.dirty = true;
    if (line.kind === 'command') {
      this.append(line.at, {
        kind: 'system',
        text: line.command === 'end_input' ? "the agent's input was closed" : `${line.command} was sent to the agent`,
        data: { command: line.command, id: line.id },
      });
      return;
    }
    this.bufferedChars += line.text.length;
    const step = this.options.agent.parse(this.state, line.kind, line.text);
    if (step.state.usage !== this.state.usage) this.usageDirty = true;
    this.state = step.state;
    for (const parsed of step.lines) this.append(line.at, parsed);
    if (line.cut === true)
      this.append(line.at, { kind: 'system', text: 'The line before was longer than 1 MB and was cut' });
  }

  private append(at: string, line: ParsedLine): void {
    this.sequence += 1;
    this.dirty = true;
    this.buffer.push({
      sequence: this.sequence,
      at,
      kind: line.kind,
      text: line.text,
      ...(line.data === undefined ? {} : { data: line.data }),
    });
  }

  private schedule(): void {
    if (!this.dirty || this.timer !== undefined || this.flushing !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.startFlush();
    }, BATCH_MS);
  }

  private startFlush(): Promise<void> {
    this.flushing ??= this.commit()
      .catch((error: unknown) => {
        this.failure = error;
      })
      .finally(() => {
        this.flushing = undefined;
        if (this.failure === undefined && this.dirty) this.schedule();
      });
    return this.flushing;
  }

  private async commit(): Promise<void> {
    if (!this.dirty) return;
    const lines = this.buffer;
    this.buffer = [];
    this.bufferedChars = 0;
    const batch = {
      journalLine: this.journal,
      logSequence: this.sequence,
      lines,
      parseState: this.state,
      session: this.state.session ?? null,
      usage: this.usageDirty ? (this.state.usage ?? null) : null,
    };
    this.dirty = false;
    this.usageDirty = false;
    await this.commitWithPatience(batch);
    this.publish(batch.lines);
    if (performance.now() - this.lastHead >= HEAD_MS) this.publishHead(false);
  }

  private async commitWithPatience(batch: LogBatchWrite): Promise<void> {
    const { database, run, signal, faults } = this.options;
    for (;;) {
      try {
        await faults('log.before');
        if ((await writeLog(database, run, batch)) === 'fenced') throw new FencedError(run.id);
        await faults('log.after');
        return;
      } catch (error) {
        if (!(error instanceof TransientError) || signal.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  private publish(lines: readonly LogLine[]): void {
    const { broker, run } = this.options;
    let part: LogLine[] = [];
    let bytes = 0;
    const send = (): void => {
      if (part.length > 0) void broker.publish(logBatch, { workspaceId: run.workspaceId, runId: run.id, lines: part });
      part = [];
      bytes = 0;
    };
    for (const line of lines) {
      const live = forLive(line);
      const size = live.text.length * 2 + 200 + (live.data === undefined ? 0 : JSON.stringify(live.data).length);
      if (bytes + size > LIVE_BYTES) send();
      part.push(live);
      bytes += size;
    }
    send();
  }

  private publishHead(ended: boolean): void {
    const { broker, run } = this.options;
    this.lastHead = performance.now();
    void broker.publish(logHead, { workspaceId: run.workspaceId, runId: run.id, head: this.sequence, ended });
  }
}

/** A very long line is cut in the live view only; history has it whole. */
function forLive(line: LogLine): LogLine {
  const data = line.data !== undefined && JSON.stringify(line.data).length > LIVE_LINE ? { cut: true } : line.data;
  const text = line.text.length > LIVE_LINE ? `${line.text.slice(0, LIVE_LINE)}…` : line.text;
  return { ...line, text, ...(data === undefined ? {} : { data }) };
}
