import { spawn } from 'node:child_process';
import { TransientError, UserError } from '@capstan/domain';
import type { ExecRequest, ExecStream } from '../runtime.port.js';

export interface ProcessRequest {
  readonly request: ExecRequest;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

const MAX_STDERR_CHARACTERS = 65_536;

/** Starts the command in a process group of its own; dropping the connection ends that group and no other session. */
export function startProcess({ request, cwd, env }: ProcessRequest): ExecStream {
  const [program = '', ...rest] = request.argv;
  const child = spawn(program, rest, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  let closed = false;
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => (stderr = (stderr + text).slice(-MAX_STDERR_CHARACTERS)));
  // A command that doesn't read its input isn't a failure of the exec.
  child.stdin.on('error', () => undefined);
  child.stdin.end(request.stdin ?? '');
  const close = (): void => {
    closed = true;
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It ended by itself in this moment.
    }
  };
  const exit = new Promise<{ code: number; stderr: string }>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new UserError(`${program} can't be started`, { code: 'exec_failed', cause: error })),
    );
    child.once('close', (code, signal) => {
      request.signal?.removeEventListener('abort', close);
      if (code !== null) resolve({ code, stderr });
      else if (closed) reject(new TransientError('the connection was closed', { code: 'exec_dropped' }));
      else reject(new TransientError(`${program} was ended by ${signal ?? 'a signal'}`, { code: 'exec_killed' }));
    });
  });
  // Whoever only reads the stream may never ask how it ended.
  exit.catch(() => undefined);
  if (request.signal?.aborted === true) close();
  else request.signal?.addEventListener('abort', close, { once: true });
  return { stdout: child.stdout, exit, close };
}
