import type { LogLine, LogPage } from '#lib/api/types.ts';

/** What following needs from the outside: a room to join, pages to read, a clock to wait by. */
export interface LogFollowPorts {
  /** Joins the run's room and answers its head; rejects when the link is down or the run is refused. */
  follow(): Promise<{ readonly head: number; readonly ended: boolean }>;
  unfollow(): void;
  /** Lines after a sequence number, in order; at most one page. */
  page(after: number): Promise<LogPage>;
  /** Calls back after so many ms; answers how to call it off. */
  wait(ms: number, then: () => void): () => void;
}

export interface LogFollowState {
  /** history: reading up to the head · live: level with it · filling: behind after a gap or an outage · ended · failed. */
  readonly phase: 'history' | 'live' | 'filling' | 'ended' | 'failed';
  /** Highest sequence known to exist. */
  readonly head: number;
  readonly error: unknown;
}

/** Lines that were shown as missing because storage no longer has them. */
export interface LogFollowListener {
  /** Lines in order, each exactly once, never with a gap unless `missing` told of it. */
  lines(lines: readonly LogLine[]): void;
  state(state: LogFollowState): void;
}

const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

/**
 * Follows one run's log without a gap or a repeat: history comes by REST up to the head, later lines over the socket.
 * Whatever arrives early waits in a buffer until it is contiguous; whatever arrives twice is dropped by its sequence;
 * whatever never arrives is read by REST. After a reconnect the head is asked for again, so an outage of any length,
 * of the browser's link or of the gateway, costs no line.
 */
export class LogFollow {
  readonly #ports: LogFollowPorts;
  readonly #listener: LogFollowListener;
  readonly #early = new Map<number, LogLine>();
  #next = 1;
  #head = 0;
  #ended = false;
  /** The head was told: until then nothing can be said about being level. */
  #isHeadKnown = false;
  #wasLevel = false;
  #stopped = false;
  #reading = false;
  #joining = 0;
  #retries = 0;
  /** Two waits that don't know of each other: a page that fails must not call off the next try to join the room. */
  readonly #waits: Record<'join' | 'read', (() => void) | null> = { join: null, read: null };
  #error: unknown = null;
  #state: LogFollowState = { phase: 'history', head: 0, error: null };

  constructor(ports: LogFollowPorts, listener: LogFollowListener) {
    this.#ports = ports;
    this.#listener = listener;
  }

  /** The sequence that is waited for: every line below it was delivered. */
  get next(): number {
    return this.#next;
  }

  /** The link is up (at first, and again after each outage): joins the room and reads what was missed. */
  async connected(): Promise<void> {
    if (this.#stopped || this.#isOver()) return;
    const attempt = ++this.#joining;
    try {
      const { head, ended } = await this.#ports.follow();
      if (attempt !== this.#joining || this.#stopped) return;
      this.#retries = 0;
      this.head(head, ended);
    } catch (error) {
      if (attempt !== this.#joining || this.#stopped) return;
      this.#fail(error, 'join', () => void this.connected());
    }
  }

  /** The link went down; what is being read by REST may go on. The next link joins anew. */
  disconnected(): void {
    this.#joining++;
    this.#waits.join?.();
    this.#waits.join = null;
  }

  /** The gateway tells how far the log goes, and whether it is complete. */
  head(head: number, ended: boolean): void {
    if (this.#stopped) return;
    this.#isHeadKnown = true;
    this.#head = Math.max(this.#head, head);
    this.#ended ||= ended;
    this.#settle();
  }

  /** Lines from the socket, in any order, any of them perhaps known already. */
  receive(lines: readonly LogLine[]): void {
    if (this.#stopped) return;
    this.#take(lines);
    this.#settle();
  }

  stop(): void {
    this.#stopped = true;
    this.#waits.join?.();
    this.#waits.read?.();
    this.#early.clear();
    this.#ports.unfollow();
  }

  /** Keeps what is new and hands on what is contiguous. */
  #take(lines: readonly LogLine[]): void {
    const ready: LogLine[] = [];
    for (const line of lines) {
      this.#head = Math.max(this.#head, line.sequence);
      if (line.sequence === this.#next) {
        ready.push(line);
        this.#next++;
        this.#drain(ready);
      } else if (line.sequence > this.#next) {
        this.#early.set(line.sequence, line);
      }
    }
    if (ready.length > 0) this.#listener.lines(ready);
  }

  #drain(ready: LogLine[]): void {
    for (let line = this.#early.get(this.#next); line !== undefined; line = this.#early.get(this.#next)) {
      this.#early.delete(this.#next++);
      ready.push(line);
    }
  }

  #isOver(): boolean {
    return this.#ended && this.#next > this.#head;
  }

  /** Reads what is missing, if anything is, and says where we are. */
  #settle(): void {
    const behind = this.#next <= this.#head;
    if (behind && !this.#reading && this.#waits.read === null) void this.#read();
    this.#say();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      while (!this.#stopped && this.#next <= this.#head) {
        const before = this.#next;
        const page = await this.#ports.page(this.#next - 1);
        if (this.#stopped) return;
        this.#head = Math.max(this.#head, page.head);
        this.#ended ||= page.ended;
        this.#take(page.lines);
        // The head may run ahead of what this replica can read yet: ask again, slower each time, never in a tight loop.
        if (this.#next === before) throw new LogNotReadable(this.#next, this.#head);
        this.#retries = 0;
        this.#error = null;
        this.#say();
      }
    } catch (error) {
      if (!this.#stopped) this.#fail(error, 'read', () => this.#settle());
    } finally {
      this.#reading = false;
      if (!this.#stopped) this.#say();
    }
  }

  #fail(error: unknown, step: 'join' | 'read', again: () => void): void {
    this.#error = error;
    this.#waits[step]?.();
    const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#retries++);
    this.#waits[step] = this.#ports.wait(delay, () => {
      this.#waits[step] = null;
      again();
    });
    this.#say();
  }

  #say(): void {
    const level = this.#isHeadKnown && this.#next > this.#head;
    this.#wasLevel ||= level;
    if (level) this.#error = null;
    const phase = this.#error !== null && this.#retries > 2 ? 'failed' : this.#phase(level);
    const last = this.#state;
    if (last.phase === phase && last.head === this.#head && last.error === this.#error) return;
    this.#state = { phase, head: this.#head, error: this.#error };
    this.#listener.state(this.#state);
  }

  #phase(level: boolean): 'history' | 'live' | 'filling' | 'ended' {
    if (level && this.#ended) return 'ended';
    if (!this.#wasLevel) return 'history';
    return level ? 'live' : 'filling';
  }
}

/** The gateway announced lines that it couldn't read yet. */
export class LogNotReadable extends Error {
  constructor(next: number, head: number) {
    super(`Line ${next} was announced (of ${head}) and can't be read yet.`);
    this.name = 'LogNotReadable';
  }
}
