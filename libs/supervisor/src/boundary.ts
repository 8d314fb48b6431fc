import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { RUN_ID_VARIABLE } from '@capstan/domain';
import type { Boundary, LaunchRequest, RunExit, SupervisorFailure } from '@capstan/domain';
import { StartFailure } from './agent-process.js';
import type { AgentProcess } from './agent-process.js';
import { Channel } from './channel.js';
import type { InnerWord, KeeperWord } from './channel.js';
import { SupervisorFault } from './fault.js';
import { searchPath } from './git.js';
import { pidNamespace } from './processes.js';
import { within } from './within.js';

/** How long the process inside may take to come up and start the agent, ms. */
const START_MS = 30_000;
/** How long its last word is waited for once the boundary has ended, ms. */
const LAST_WORD_MS = 1_000;
/** Root of a command inside that needs nothing of the pod but its request. */
const SCRATCH_ROOT = '/tmp';

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
    this.dismiss();
    if (typeof word === 'object' && 'failed' in word) throw new StartFailure(word.failed);
    const reason = word === 'late' ? `nothing came up inside in ${START_MS} ms` : await this.lastWords(stderr);
    throw new StartFailure(`the pod's boundary can't be made: ${reason || 'it ended at once'}`);
  }

  private async lastWords(stderr: Readable): Promise<string> {
    stderr.on('data', this.hold).resume();
    await within(LAST_WORD_MS, (done) => (stderr.closed ? done() : void stderr.once('close', done)));
    return `${this.fault}${Buffer.concat(this.early).toString('utf8')}`.trim().slice(-2_000);
  }

  /** Ends it and all inside. */
  dismiss(): void {
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

/**
 * Carries one of the supervisor's own commands out inside, to its end. Paths in the request are absolute. A refusal
 * inside is thrown here.
 */
export function runInside<T>(boundary: Boundary, command: string, runId: string, request: object): T {
  const { text, code, stderr } = callInside(boundary, command, runId, request, 'pipe');
  let answer: T | SupervisorFailure;
  try {
    answer = JSON.parse(text) as T | SupervisorFailure;
  } catch {
    throw new SupervisorFault('boundary_failed', `${command} inside the boundary ended with ${code}: ${stderr}`);
  }
  if (typeof answer === 'object' && answer !== null && 'error' in answer) {
    throw new SupervisorFault(String(answer.error.code), String(answer.error.message), code === 0 ? undefined : code);
  }
  return answer as T;
}

/** The same for a command whose output is raw: it goes to our own stdout. Answers the exit code. */
export function passThroughInside(boundary: Boundary, command: string, runId: string, request: object): number {
  return callInside(boundary, command, runId, request, 'inherit').code;
}

function callInside(
  boundary: Boundary,
  command: string,
  runId: string,
  request: object,
  stdout: 'pipe' | 'inherit',
): { readonly text: string; readonly code: number; readonly stderr: string } {
  const [program = '', ...rest] = boundary.argv;
  const result = spawnSync(program, [...rest, ...innerCommand(command, runId, SCRATCH_ROOT)], {
    cwd: '/',
    env: { PATH: searchPath() },
    input: `${JSON.stringify(request)}\n`,
    stdio: ['pipe', stdout, 'pipe'],
    maxBuffer: 16 * 1024 * 1024,
  });
  if (result.error !== undefined) {
    throw new SupervisorFault('boundary_failed', `the pod's boundary can't be made: ${result.error.message}`);
  }
  const stderr = result.stderr.toString('utf8').trim().slice(-1_000);
  return { text: result.stdout?.toString('utf8') ?? '', code: result.status ?? 1, stderr };
}

function innerCommand(command: string, runId: string, root: string): string[] {
  return [process.execPath, process.argv[1] ?? '', command, runId, '--root', root];
}
