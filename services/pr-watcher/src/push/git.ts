import { spawn } from 'node:child_process';
import { Bug, TransientError } from '@capstan/domain';

export interface GitOptions {
  readonly directory: string;
  /** Added to the clean environment of this one process, e.g. an authorization. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Takes the output as it comes; it is then not collected. */
  readonly onOutput?: (chunk: Buffer) => void;
}

export interface GitResult {
  readonly code: number;
  readonly output: Buffer;
  /** Its end, at most 4 KB. */
  readonly complaint: string;
}

/** A git that was given no time of its own ends after this: a forge that falls silent must not hold a mirror for ever. ms */
const LONGEST_MS = 300_000;
const MAX_OUTPUT_BYTES = 64 * 1_048_576;
const MAX_COMPLAINT_CHARS = 4_096;

/** Nothing of the machine or of a repository may run a program or change what a command means. */
const FIXED = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: 'true',
  GIT_ALLOW_PROTOCOL: 'http:https:file',
  LC_ALL: 'C',
};
const SETTINGS = ['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'gc.auto=0', 'credential.helper='];

/** Runs git in Capstan's own repositories, with an environment that holds nothing but what is passed in. */
export class Git {
  /** @param environment what git needs of the machine: PATH, proxies, certificates. */
  constructor(private readonly environment: Readonly<Record<string, string>>) {}

  /** Runs to the end, whatever the exit code. Throws TransientError `git_timeout` when the signal ended it. */
  run(args: readonly string[], options: GitOptions): Promise<GitResult> {
    const settings = SETTINGS.flatMap((setting) => ['-c', setting]);
    const signal = options.signal ?? AbortSignal.timeout(LONGEST_MS);
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(timedOut(args));
      // A group of its own: the helpers that carry requests must end together with it.
      const child = spawn('git', [...settings, ...args], {
        cwd: options.directory,
        env: { ...this.environment, ...FIXED, ...options.environment },
        stdio: ['pipe', 'pipe', 'pipe'],
        detached: true,
      });
      const kill = (): void => {
        if (child.pid === undefined) return;
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        }
      };
      signal.addEventListener('abort', kill, { once: true });
      const chunks: Buffer[] = [];
      let bytes = 0;
      let complaint = '';
      child.stdout.on('data', (chunk: Buffer) => {
        if (options.onOutput !== undefined) return options.onOutput(chunk);
        bytes += chunk.length;
        if (bytes <= MAX_OUTPUT_BYTES) chunks.push(chunk);
      });
      child.stderr.on(
        'data',
        (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-MAX_COMPLAINT_CHARS)),
      );
      // A git that ends before it read everything says why by its exit code.
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input);
      child.on('error', (cause) =>
        reject(new Bug('git can not be started', { cause, remedy: 'Install git 2.36 or newer.' })),
      );
      child.on('close', (code) => {
        signal.removeEventListener('abort', kill);
        if (signal.aborted) return reject(timedOut(args));
        if (bytes > MAX_OUTPUT_BYTES) return reject(new Bug(`git ${args[0]} printed more than is read`));
        resolve({ code: code ?? -1, output: Buffer.concat(chunks), complaint });
      });
    });
  }

  /** Runs and answers the trimmed output; throws TransientError `git_failed` for any exit code but 0. */
  async read(args: readonly string[], options: GitOptions): Promise<string> {
    const { code, output, complaint } = await this.run(args, options);
    if (code !== 0)
      throw new TransientError(`git ${args[0]} ended with ${code}: ${complaint.trim()}`, { code: 'git_failed' });
    return output.toString().trim();
  }
}

function timedOut(args: readonly string[]): TransientError {
  return new TransientError(`git ${args[0]} took too long`, { code: 'git_timeout' });
}
