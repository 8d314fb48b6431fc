import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { backoffMs, Bug, UserError } from '@capstan/domain';
import { identify, tailOf, waitUntilGone, type ProcessIdentity } from '../servers/process-identity.js';
import { HOST_REFUSED, HostMessage, STOP_MESSAGE } from './host-messages.js';

export interface HostOptions {
  /** The host's program, for this Node. */
  readonly program: string;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  /** Called with each new process, so that it can be found after a crash of the launcher. */
  readonly started: (process_: ProcessIdentity | undefined) => void;
  readonly event: (event: HostEvent) => void;
}

export type HostEvent =
  | { readonly kind: 'service'; readonly service: string }
  | { readonly kind: 'ready'; readonly restarts: number }
  | { readonly kind: 'died'; readonly how: string; readonly againInMs: number; readonly inARow: number };

/** A host that lived this long starts its back-off anew. */
const STABLE_AFTER_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
/** A host that never came up is given up after so many deaths; one that was up once is started again for ever. */
const GIVE_UP_AFTER = 5;

/**
 * Keeps one host process running, in a session of its own (Ctrl-C doesn't reach it), and starts it again with back-off
 * when it dies. A host whose launcher dies sees the channel close and stops in order.
 */
export class HostProcess {
  private child: ChildProcess | undefined;
  private stopping = false;
  private restarts = 0;
  private wasReady = false;
  private inARow = 0;
  private timer: NodeJS.Timeout | undefined;
  /** What the host said of its end. */
  private refusal: (Pick<UserError, 'message'> & Partial<Pick<UserError, 'code' | 'remedy'>>) | undefined;
  private fail: (error: Error) => void = () => undefined;

  constructor(private readonly options: HostOptions) {}

  /**
   * Starts the host and resolves when all its services answer, however often it had to be started for that.
   * @throws UserError with the host's own code (`host_refused` when it named none) when its configuration can't work; Bug `host_crash_loop` when it dies five times.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.fail = reject;
      this.launch(resolve);
    });
  }

  /** Asks the host to stop its services in order, and kills it when it takes more than 30 s. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    const child = this.child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const running = identify(child.pid);
    child.send(STOP_MESSAGE, () => undefined);
    if (running !== undefined && !(await waitUntilGone(running, STOP_WITHIN_MS))) child.kill('SIGKILL');
    this.options.started(undefined);
  }

  private launch(ready: () => void): void {
    const { program, cwd, environment, logFile } = this.options;
    mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
    const log = openSync(logFile, 'a', 0o600);
    const startedAt = performance.now();
    const child = spawn(process.execPath, [program], {
      cwd,
      env: environment,
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.child = child;
    this.refusal = undefined;
    if (child.pid !== undefined) this.options.started(identify(child.pid));
    child.on('message', (raw) => this.receive(raw, ready));
    child.once('error', (error) => this.ended(`it can't be started: ${error.message}`, startedAt, ready));
    child.once('exit', (code, signal) => {
      this.ended(signal === null ? `exit code ${code}` : `signal ${signal}`, startedAt, ready, code);
    });
  }

  private receive(raw: unknown, ready: () => void): void {
    const message = HostMessage.safeParse(raw);
    if (!message.success) return; // a stranger's library may use the channel
    switch (message.data.kind) {
      case 'service':
        return this.options.event(message.data);
      case 'ready':
        this.wasReady = true;
        this.options.event({ kind: 'ready', restarts: this.restarts });
        return ready();
      case 'refused':
      case 'failed':
        this.refusal = message.data;
    }
  }

  private ended(how: string, startedAt: number, ready: () => void, code: number | null = null): void {
    if (this.stopping) return;
    this.options.started(undefined);
    if (code === HOST_REFUSED) {
      this.stopping = true;
      const { message, code = 'host_refused', remedy } = this.refusal ?? { message: tailOf(this.options.logFile, 5) };
      this.fail(new UserError(message, { code, ...(remedy === undefined ? {} : { remedy }) }));
      return;
    }
    this.inARow = performance.now() - startedAt > STABLE_AFTER_MS ? 1 : this.inARow + 1;
    this.restarts += 1;
    const why = this.refusal === undefined ? how : `${how}: ${this.refusal.message}`;
    if (!this.wasReady && this.inARow >= GIVE_UP_AFTER) {
      this.stopping = true;
      const text = `the host died ${this.inARow} times in a row while it started (${why})`;
      this.fail(new Bug(text, { code: 'host_crash_loop', remedy: `The reason is in ${this.options.logFile}.` }));
      return;
    }
    const againInMs = backoffMs(this.inARow, Math.random(), { baseMs: 250, maxMs: 10_000 });
    this.options.event({ kind: 'died', how: why, againInMs, inARow: this.inARow });
    this.timer = setTimeout(() => this.launch(ready), againInMs);
  }
}
