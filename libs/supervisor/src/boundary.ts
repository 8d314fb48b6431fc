import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { RUN_ID_VARIABLE } from '@capstan/domain';
import type { Boundary, LaunchRequest, RunExit } from '@capstan/domain';
import { StartFailure } from './agent-process.js';
import type { AgentProcess } from './agent-process.js';
import { Channel } from './channel.js';
import type { InnerWord, KeeperWord } from './channel.js';
import { pidNamespace } from './processes.js';
import { within } from './within.js';

/** How long the process inside may take to come up and start the agent, ms. */
const START_MS = 30_000;
/** How long it may take to end by itself, ms. */
const DISMISS_MS = 5_000;
/** How long its last word is waited for once the boundary has ended, ms. */
const LAST_WORD_MS = 1_000;

/** A boundary with the supervisor inside, coming up while its keeper waits for the run's request. */
export class OpenBoundary {
  private readonly child: ChildProcess;
  private readonly channel: Channel<KeeperWord, InnerWord>;
  private readonly ended: Promise<RunExit>;
  private heard: (word: InnerWord) => void = () => undefined;
  private exit: RunExit | undefined;
  private fault = '';
  /** What was written before there was an agent: bubblewrap's complaints, or the agent's own first words. */
  private readonly early: Buffer[] = [];
  private readonly hold = (chunk: Buffer): void => void this.early.push(chunk);

  constructor(
    private readonly root: string,
    runId: string,
    boundary: Boundary,
  ) {
    const [program = '', ...rest] = boundary.argv;
    // Nothing of the agent's environment outside: what it names there (LD_PRELOAD …) would be looked up outside too.
    this.child = spawn(program, [...rest, ...innerCommand('inside', runId, root)], {
      cwd: '/',
      env: { [RUN_ID_VARIABLE]: runId },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    // Node throws away what a child that ended has left unread.
    this.child.stderr?.on('data', this.hold);
    const socket = this.child.stdio[3] as Socket;
    this.channel = Channel.outside(socket, (word) => this.hear(word));
    this.ended = this.end(socket);
    const { relay } = boundary;
    void this.channel.say({ open: { namespace: pidNamespace(), ...(relay && { relay }) } });
  }

  /** Starts the agent inside. Throws StartFailure with what stood against it. */
  async start({ boundary: _, ...request }: LaunchRequest): Promise<AgentProcess> {
    const [, stdout, stderr] = this.child.stdio as unknown as [unknown, Readable, Readable];
    const answer = new Promise<InnerWord | 'ended' | 'late'>((resolve) => {
      this.heard = resolve;
      void this.ended.then(() => resolve('ended'));
      setTimeout(() => resolve('late'), START_MS).unref();
    });
    void this.channel.say({ start: { root: this.root, request } });
    const word = await answer;
    stderr.off('data', this.hold).pause();
    if (typeof word === 'object' && 'started' in word && this.child.pid !== undefined) {
      if (this.early.length > 0) stderr.unshift(Buffer.concat(this.early));
      return {
        ...{ pid: this.child.pid, stdin: this.child.stdin, stdout, stderr, exited: this.ended },
        interrupt: () => void this.channel.say({ ask: 'interrupt' }),
        askToEnd: (withinMs) => this.askToEnd(withinMs),
      };
    }
    const failure = await this.failure(word, stderr);
    await this.dismiss();
    throw failure;
  }

  private async failure(word: InnerWord | 'ended' | 'late', stderr: Readable): Promise<StartFailure> {
    if (typeof word === 'object' && 'failed' in word) return new StartFailure(word.failed);
    const reason = word === 'late' ? `nothing came up inside in ${START_MS} ms` : await this.lastWords(stderr);
    return new StartFailure(`the pod's boundary can't be made: ${reason || 'it ended at once'}`);
  }

  private async lastWords(stderr: Readable): Promise<string> {
    stderr.on('data', this.hold).resume();
    await within(LAST_WORD_MS, (done) => (stderr.closed ? done() : void stderr.once('close', done)));
    return `${this.fault}${Buffer.concat(this.early).toString('utf8')}`.trim().slice(-2_000);
  }

  /**
   * Ends it and all inside. The process inside ends with its channel; it is waited for, because bubblewrap that is killed
   * while it comes up leaves its child behind, which hasn't asked to die with it yet.
   */
  async dismiss(): Promise<void> {
    for (const stream of this.child.stdio) stream?.destroy();
    await within(DISMISS_MS, (done) => void this.ended.then(done));
    this.child.kill('SIGKILL');
  }

  private hear(word: InnerWord): void {
    if ('exit' in word) this.exit ??= word.exit;
    else this.heard(word);
  }

  private async askToEnd(withinMs: number): Promise<void> {
    void this.channel.say({ ask: 'end' });
    await within(withinMs, (done) => void this.ended.then(done));
  }

  /** With what the process inside says of the agent, which bubblewrap's own exit code can't tell in full. */
  private async end(socket: Socket): Promise<RunExit> {
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const own = await new Promise<RunExit>((resolve) => {
      this.child.once('exit', (code, signal) => resolve({ code, signal }));
      this.child.once('error', (error) => {
        this.fault = String(error);
        resolve({ code: null, signal: null });
      });
    });
    await within(LAST_WORD_MS, (done) => void closed.then(done));
    return this.exit ?? own;
  }
}

/** The supervisor's command line inside. */
export function innerCommand(command: string, runId: string, root: string): string[] {
  return [process.execPath, process.argv[1] ?? '', command, runId, '--root', root];
}
