import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, plainEnvironment, ROOT } from '@capstan/test-support';
import { signalOne } from './processes.js';

/** What became of one process of a host. */
export interface HostEvent {
  readonly at: number;
  readonly what: 'started' | 'ready' | 'ended';
  readonly pid: number;
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
  /** Whether the suite sent the signal that ended it. */
  readonly asked?: boolean;
  /** The end of its log, of one that ended by itself. */
  readonly lastWords?: string;
}

export interface HostOptions {
  readonly service: string;
  /** From 0. */
  readonly replica: number;
  /** Of this host alone, over what every process inherits. */
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** The program; asked anew at each start. */
  readonly entry: () => string;
}

const AGAIN_AFTER_MS = [250, 500, 1_000, 2_000] as const;
const GIVEN_UP_AFTER = 3;
const STABLE_AFTER_MS = 10_000;
const STOPS_WITHIN_MS = 30_000;
/** Characters. */
const LAST_WORDS = 2_000;

/** One host process with one service, and its keeper: it is started again whenever it ends, until `close`. */
export class ServiceHost {
  readonly service: string;
  readonly replica: number;
  readonly events: HostEvent[] = [];
  /** What the next process starts with, over the inherited environment. */
  env: Readonly<Record<string, string>>;
  private child: ChildProcess | undefined;
  private ready = false;
  private asked = false;
  private closing = false;
  private timer: NodeJS.Timeout | undefined;
  private inARow = 0;
  private startedAt = 0;

  constructor(private readonly options: HostOptions) {
    this.service = options.service;
    this.replica = options.replica;
    this.env = options.env;
  }

  get name(): string {
    return `${this.service}/${this.replica}`;
  }
  /** Undefined between a death and the next start. */
  get pid(): number | undefined {
    return this.child?.pid;
  }
  get isReady(): boolean {
    return this.ready;
  }

  start(): void {
    const log = openSync(this.options.logFile, 'a', 0o600);
    const child = spawn(process.execPath, [this.options.entry()], {
      cwd: ROOT,
      env: { ...plainEnvironment(), ...this.env },
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.child = child;
    this.ready = false;
    this.asked = false;
    this.startedAt = performance.now();
    this.tell('started', child);
    child.on('message', (message: { kind?: string }) => {
      if (message.kind !== 'ready' || child !== this.child) return;
      this.ready = true;
      this.tell('ready', child);
    });
    child.once('exit', (code, signal) => this.ended(child, code, signal));
  }

  /** Sends a signal. A process that ends by it is started again. @returns false when there was none to send it to. */
  kill(signal: NodeJS.Signals): boolean {
    const pid = this.pid;
    if (pid === undefined) return false;
    if (signal === 'SIGKILL' || signal === 'SIGTERM') this.asked = true;
    return signalOne(pid, signal);
  }

  /** Stops the process in order (SIGTERM) and starts it anew, `env` over what it had; resolves when it is ready. */
  async restart(env: Readonly<Record<string, string>> = {}, withinMs = 60_000): Promise<void> {
    this.env = { ...this.env, ...env };
    const former = this.pid;
    this.kill('SIGTERM');
    await eventually(() => this.pid !== former || former === undefined, STOPS_WITHIN_MS + 5_000);
    await this.untilReady(withinMs);
  }

  /** @throws with the end of its log when it isn't in time, or when it ends by itself again and again. */
  async untilReady(withinMs = 60_000): Promise<void> {
    const before = this.deaths();
    const end = performance.now() + withinMs;
    while (!this.ready) {
      if (performance.now() > end || this.deaths() - before >= GIVEN_UP_AFTER)
        throw new Error(`${this.name} does not become ready:\n${this.lastWords()}`);
      await pause(50);
    }
  }

  private deaths(): number {
    return this.events.filter(({ what, asked }) => what === 'ended' && asked === false).length;
  }

  /** Ends it for good, in order; kills it when that takes too long. @returns whether it ended by itself in time. */
  async close(): Promise<boolean> {
    this.closing = true;
    clearTimeout(this.timer);
    const pid = this.pid;
    if (pid === undefined) return true;
    this.kill('SIGCONT');
    this.kill('SIGTERM');
    const gone = (): boolean => this.pid !== pid;
    const inOrder = await eventually(gone, STOPS_WITHIN_MS).catch(() => false);
    if (inOrder) return true;
    this.kill('SIGKILL');
    await eventually(gone);
    return false;
  }

  private ended(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (child !== this.child) return;
    const lastWords = this.asked ? {} : { lastWords: this.lastWords() };
    this.tell('ended', child, { code, signal, asked: this.asked, ...lastWords });
    this.child = undefined;
    this.ready = false;
    if (this.closing) return;
    this.inARow = performance.now() - this.startedAt > STABLE_AFTER_MS ? 0 : this.inARow + 1;
    const wait = AGAIN_AFTER_MS[Math.min(this.inARow, AGAIN_AFTER_MS.length - 1)]!;
    this.timer = setTimeout(() => this.start(), wait);
  }

  private lastWords(): string {
    return readFileSync(this.options.logFile, 'utf8').slice(-LAST_WORDS);
  }

  private tell(what: HostEvent['what'], child: ChildProcess, more: Partial<HostEvent> = {}): void {
    this.events.push({ at: Date.now(), what, pid: child.pid ?? 0, ...more });
  }
}
