import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Boundary, SupervisorFailure } from '@capstan/domain';
import { innerCommand } from './boundary.js';
import { SupervisorFault } from './fault.js';
import { searchPath } from './git.js';

/** Root of a command inside: it needs nothing of the pod but its request, and a place for what it makes meanwhile. */
const SCRATCH_ROOT = '/tmp';
/** Longest answer, bytes. */
const MAX_ANSWER_BYTES = 1024 * 1024;

interface Ended {
  readonly code: number;
  readonly text: string;
  readonly stderr: string;
}

/** One of the supervisor's own commands inside a boundary: it comes up at once, and waits for its request. */
export class InsideCommand {
  private readonly child: ChildProcess;
  private readonly ended: Promise<Ended>;

  /** @param stdout `inherit` hands the command our own, for an answer that is no JSON. */
  constructor(
    boundary: Boundary,
    private readonly command: string,
    runId: string,
    stdout: 'pipe' | 'inherit' = 'pipe',
  ) {
    const [program = '', ...rest] = boundary.argv;
    this.child = spawn(program, [...rest, ...innerCommand(command, runId, SCRATCH_ROOT)], {
      cwd: '/',
      env: { PATH: searchPath() },
      stdio: ['pipe', stdout, 'pipe'],
    });
    this.ended = this.end();
    // One that is dismissed is never asked.
    this.ended.catch(() => undefined);
  }

  /** Paths in the request are absolute. A refusal inside is thrown here. */
  async answer<T>(request: object): Promise<T> {
    const { text, code, stderr } = await this.carryOut(request);
    let answer: T | SupervisorFailure;
    try {
      answer = JSON.parse(text) as T | SupervisorFailure;
    } catch {
      throw new SupervisorFault('boundary_failed', `${this.command} inside the boundary ended with ${code}: ${stderr}`);
    }
    if (typeof answer === 'object' && answer !== null && 'error' in answer) {
      throw new SupervisorFault(String(answer.error.code), String(answer.error.message), code === 0 ? undefined : code);
    }
    return answer as T;
  }

  /** To its end, whatever it answers. */
  carryOut(request: object): Promise<Ended> {
    this.child.stdin?.end(`${JSON.stringify(request)}\n`);
    return this.ended;
  }

  /** Ends one that was asked for nothing. Not by a signal: bubblewrap that is killed while it comes up leaves its child. */
  dismiss(): void {
    this.child.stdin?.end();
  }

  private end(): Promise<Ended> {
    const { child } = this;
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    let size = 0;
    child.stdin?.on('error', () => undefined);
    child.stdout?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_ANSWER_BYTES) stdout.push(chunk);
      else this.child.kill('SIGKILL');
    });
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    return new Promise((resolve, reject) => {
      child.once('error', (error) =>
        reject(new SupervisorFault('boundary_failed', `the pod's boundary can't be made: ${error.message}`)),
      );
      child.once('close', (code) => {
        const [text, said] = [stdout, stderr].map((parts) => Buffer.concat(parts).toString('utf8')) as [string, string];
        resolve({ code: code ?? 1, text, stderr: said.trim().slice(-1_000) });
      });
    });
  }
}
