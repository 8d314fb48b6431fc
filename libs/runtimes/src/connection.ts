import { ATTACH_SILENCE_MS, SUPERVISOR_EXIT, TransientError, UserError } from '@capstan/domain';
import type { AttachItem, FinishAnswer, FinishedItem, StartAnswer, SupervisorFailure } from '@capstan/domain';
import type { ExecStream } from './runtime.port.js';

/** Refusals of the supervisor that the same request may not meet again. */
const TRANSIENT = new Set(['fetch_failed', 'locked', 'launch_failed', 'start_incomplete', 'failed', 'git_unavailable']);
const NEWLINE = 0x0a;

/** A supervisor's command whose output is read as it comes: lines of JSON, errors thrown, silence counted as a break. */
export class Connection {
  private readonly batches: AsyncGenerator<readonly object[], void, undefined>;
  /** What came with the answer. */
  private rest: readonly object[] = [];
  private timer: NodeJS.Timeout | undefined;
  private silentMs: number | undefined;

  constructor(private readonly stream: ExecStream) {
    this.batches = this.read();
  }

  /** The first line, within `timeoutMs`. */
  async answer<T>(timeoutMs: number): Promise<T> {
    this.expectWithin(timeoutMs);
    try {
      const { value = [] } = await this.guarded(() => this.batches.next());
      const [first, ...rest] = value;
      if (first === undefined) throw await this.brokeOff();
      this.rest = rest;
      return first as T;
    } finally {
      clearTimeout(this.timer);
    }
  }

  /** Everything else, in batches as it comes. Closes the connection at the end, or when its reader leaves. */
  async *items<T extends object>(silenceMs = ATTACH_SILENCE_MS): AsyncGenerator<readonly T[], void, undefined> {
    this.expectWithin(silenceMs);
    try {
      if (this.rest.length > 0) yield this.rest as readonly T[];
      for (;;) {
        const next = await this.guarded(() => this.batches.next());
        if (next.done === true) break;
        yield next.value as readonly T[];
        // What the reader did with the batch isn't the connection's silence.
        this.timer?.refresh();
      }
      const { code, stderr } = await this.guarded(() => this.stream.exit);
      if (code !== 0) throw refusal('', code, stderr);
    } finally {
      clearTimeout(this.timer);
      this.stream.close();
    }
  }

  private expectWithin(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.silentMs = ms;
      this.stream.close();
    }, ms);
  }

  private async guarded<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      if (this.silentMs === undefined) throw error;
      throw new TransientError(`nothing came for ${this.silentMs} ms`, { code: 'attach_silent', cause: error });
    }
  }

  private async brokeOff(): Promise<Error> {
    const { code, stderr } = await this.guarded(() => this.stream.exit);
    return refusal('', code, stderr);
  }

  private async *read(): AsyncGenerator<readonly object[], void, undefined> {
    let parts: Buffer[] = [];
    for await (const chunk of this.stream.stdout as AsyncIterable<Buffer>) {
      this.timer?.refresh();
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      if (end === 0) {
        parts.push(chunk);
        continue;
      }
      const text = Buffer.concat([...parts, chunk.subarray(0, end)]).toString('utf8');
      parts = end < chunk.length ? [chunk.subarray(end)] : [];
      const items: object[] = [];
      for (const each of text.split('\n')) {
        const item = each === '' ? undefined : parse(each);
        if (item !== undefined && 'error' in item) throw refusal(each, SUPERVISOR_EXIT.failed, '');
        if (item !== undefined) items.push(item);
      }
      if (items.length > 0) yield items;
    }
  }
}

/** A run that was started, and the connection that goes on telling of it. */
export class StartedRun {
  private left: FinishAnswer | undefined;

  constructor(
    readonly answer: StartAnswer,
    private readonly connection: Connection,
  ) {}

  /** What `finish` said, once the journal was read to its end; undefined when it has to be asked for. */
  get finished(): FinishAnswer | undefined {
    return this.left;
  }

  /** The journal from the line that was wanted, as `attach` gives it. To be read once. */
  async *journal(): AsyncGenerator<readonly AttachItem[], void, undefined> {
    let exited = false;
    for await (const items of this.connection.items<AttachItem | FinishedItem>()) {
      const lines = items.filter((item): item is AttachItem => !('finished' in item));
      exited ||= lines.some((item) => 'kind' in item && item.kind === 'exit');
      // Before the exit it can only be something that the agent wrote into its journal.
      const last = items.at(-1);
      if (exited && last !== undefined && 'finished' in last) this.left = last.finished;
      if (lines.length > 0) yield lines;
    }
  }
}

function parse(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined; // the torn tail of a write that a full disk cut short
  }
}

export function refusal(text: string, exitCode: number, stderr: string): Error {
  let failure: SupervisorFailure['error'] | undefined;
  try {
    failure = (JSON.parse(text) as Partial<SupervisorFailure>).error;
  } catch {
    failure = undefined;
  }
  const { code, message } = failure ?? fromExit(exitCode, stderr);
  if (TRANSIENT.has(code)) return new TransientError(message, { code });
  return new UserError(message, { code, status: exitCode === SUPERVISOR_EXIT.notFound ? 404 : 409 });
}

function fromExit(exitCode: number, stderr: string): SupervisorFailure['error'] {
  if (exitCode === SUPERVISOR_EXIT.fenced) return { code: 'fenced', message: 'a newer epoch has this run' };
  if (exitCode === SUPERVISOR_EXIT.lost) return { code: 'run_lost', message: 'the run ended without an exit record' };
  return { code: 'failed', message: `the supervisor ended with ${exitCode}: ${stderr.trim().slice(-1_000)}` };
}
