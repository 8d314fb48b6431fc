import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { LaunchRequest, RunExit } from '@capstan/domain';
import { RUN_ID_VARIABLE } from '@capstan/domain';
import { signalTo } from './processes.js';

/** An agent that was started, as its keeper sees it. */
export interface AgentProcess {
  /** Leads a session; all of the agent's processes descend from it or carry the run's id. */
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<RunExit>;
  /** SIGINT to the agent and its group. */
  interrupt(): void;
  /**
   * Asks everything of the agent's to end, its own tools too, and waits at most so long. Undefined where that is the
   * keeper's work: SIGTERM to a boundary's own processes would end those inside unasked.
   */
  readonly askToEnd?: (withinMs: number) => Promise<void>;
}

/** The agent's program can't be started; the message says which and why. */
export class StartFailure extends Error {}

/** Starts the agent as a child in a session of its own. Throws StartFailure. */
export async function startBare(runId: string, request: LaunchRequest): Promise<AgentProcess> {
  const [program = '', ...rest] = request.argv;
  const agent = spawnAgent(runId, request, (options) =>
    spawn(program, rest, { ...options, stdio: [wantsStdin(request) ? 'pipe' : 'ignore', 'pipe', 'pipe'] }),
  );
  const exited = new Promise<RunExit>((resolve) => agent.once('exit', (code, signal) => resolve({ code, signal })));
  if (agent.pid === undefined) throw await failureOf(agent, request);
  const { pid } = agent;
  return {
    ...{ pid, stdin: agent.stdin, stdout: agent.stdout as Readable, stderr: agent.stderr as Readable, exited },
    interrupt: () => void signalTo(-pid, 'SIGINT'),
  };
}

export function wantsStdin({ stdin, keepStdinOpen }: Pick<LaunchRequest, 'stdin' | 'keepStdinOpen'>): boolean {
  return stdin !== undefined || keepStdinOpen === true;
}

interface AgentOptions {
  readonly cwd: string;
  readonly env: Record<string, string>;
  readonly detached: true;
}

/** Spawns with the run's mark, in a session of its own. */
export function spawnAgent<T>(
  runId: string,
  request: Pick<LaunchRequest, 'argv' | 'cwd' | 'env'>,
  start: (options: AgentOptions) => T,
): T {
  try {
    return start({ cwd: request.cwd, env: { ...request.env, [RUN_ID_VARIABLE]: runId }, detached: true });
  } catch (error) {
    throw startFailure(error, request);
  }
}

/** Why a child that has no pid has none. */
export async function failureOf(
  child: { once(event: 'error', listener: (error: Error) => void): unknown },
  request: Pick<LaunchRequest, 'argv' | 'cwd'>,
): Promise<StartFailure> {
  const error = await new Promise<Error>((resolve) => child.once('error', resolve));
  return startFailure(error, request);
}

function startFailure(error: unknown, { argv, cwd }: Pick<LaunchRequest, 'argv' | 'cwd'>): StartFailure {
  const reason = existsSync(cwd) ? String(error) : `the directory ${cwd} doesn't exist`;
  return new StartFailure(`${argv[0] ?? ''}: ${reason}`);
}
