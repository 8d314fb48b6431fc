import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { changeCheckRun, createCheckRun } from './actions/checks.js';
import type { CheckRunInput } from './actions/checks.js';
import { ZERO_SHA } from './git/bare-repository.js';
import { runGit } from './git/process.js';
import { RunningDouble } from './github-double.js';
import type { GitHubDouble } from './github-double.js';
import type { CheckRunRecord, RepositoryRecord } from './model.js';
import { toolPath } from './tool-path.config.js';

export interface RepositoryChecksOptions {
  /** What to run in the checkout, e.g. `['npm', 'test']`; a function may choose by repository, undefined: no check. */
  readonly command: readonly string[] | ((fullName: string) => readonly string[] | undefined);
  readonly checkName: string;
  /** Who reports. Default `demo-ci[bot]`. */
  readonly login?: string;
  /** Added to PATH and HOME, the only variables that a command gets. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that takes longer is killed and has failed. Default 10 minutes. */
  readonly timeoutMs?: number;
  /** How many commands at once. Default 2. */
  readonly concurrency?: number;
}

export interface RepositoryChecks {
  /** Ends when nothing is queued or running. */
  idle(): Promise<void>;
  /** Kills what runs, with everything it started, and takes no more. */
  close(): Promise<void>;
}

const OUTPUT_LIMIT = 60_000;
const SUMMARY_LIMIT = 4_000;
const OUTPUT_GRACE_MS = 500;
const LOCAL_LOGIN = 'demo-ci[bot]';

interface Job {
  readonly repository: RepositoryRecord;
  readonly sha: string;
  readonly command: readonly string[];
  readonly run: CheckRunRecord;
}

/** A CI: runs a command on every pushed branch tip in a real checkout and reports it as a check run. */
export function runRepositoryChecks(double: GitHubDouble, options: RepositoryChecksOptions): RepositoryChecks {
  if (!(double instanceof RunningDouble)) throw new Error('runRepositoryChecks needs a double from startGitHubDouble');
  return new CheckRunner(double, options);
}

class CheckRunner implements RepositoryChecks {
  private readonly queue: Job[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly unsubscribe: () => void;

  constructor(
    private readonly double: RunningDouble,
    private readonly options: RepositoryChecksOptions,
  ) {
    this.unsubscribe = double.onPush(({ fullName, ref, after }) => {
      if (!ref.startsWith('refs/heads/') || after === ZERO_SHA) return;
      const { command } = options;
      const chosen = typeof command === 'function' ? command(fullName) : command;
      if (chosen?.length) this.track(this.enqueue(fullName, after, chosen));
    });
  }

  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  async close(): Promise<void> {
    this.unsubscribe();
    this.queue.length = 0;
    this.stopping.abort();
    await this.idle();
  }

  private track(work: Promise<void>): void {
    const entry = work.finally(() => this.running.delete(entry));
    this.running.add(entry);
  }

  private async enqueue(fullName: string, sha: string, command: readonly string[]): Promise<void> {
    const { world } = this.double;
    const repository = world.repository(fullName);
    const input = { name: this.options.checkName, headSha: sha };
    const run = await createCheckRun(world, repository, this.login, input);
    this.queue.push({ repository, sha, command, run });
    this.startNext();
  }

  private active = 0;

  private startNext(): void {
    while (this.active < (this.options.concurrency ?? 2)) {
      const job = this.queue.shift();
      if (!job) return;
      this.active += 1;
      this.track(
        this.execute(job).finally(() => {
          this.active -= 1;
          this.startNext();
        }),
      );
    }
  }

  private get login(): string {
    return this.options.login ?? LOCAL_LOGIN;
  }

  private report(job: Job, input: CheckRunInput): Promise<void> {
    return changeCheckRun(this.double.world, job.repository, job.run, this.login, input);
  }

  private async execute(job: Job): Promise<void> {
    await this.report(job, { status: 'in_progress' });
    const root = await mkdtemp(join(tmpdir(), 'checks-'));
    try {
      const begun = performance.now();
      const result = await this.checkOutAndRun(job, root);
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      if (this.stopping.signal.aborted) return;
      await this.report(job, {
        status: 'completed',
        conclusion: result.conclusion,
        output: {
          title: `${job.command.join(' ')}: ${result.words} after ${seconds} s`,
          summary: `\`\`\`\n${result.output.slice(-SUMMARY_LIMIT)}\n\`\`\``,
          text: result.output,
        },
      });
    } finally {
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  private async checkOutAndRun(
    job: Job,
    root: string,
  ): Promise<{ conclusion: 'success' | 'failure' | 'timed_out'; words: string; output: string }> {
    const checkout = join(root, job.repository.name);
    const steps = [
      ['clone', '--quiet', '--no-checkout', job.repository.git.path, checkout],
      ['-C', checkout, 'checkout', '--quiet', '--detach', job.sha],
    ];
    for (const step of steps) {
      const { code, stderr } = await runGit(step, { cwd: root });
      if (code !== 0) return { conclusion: 'failure', words: 'the checkout failed', output: stderr };
    }
    return runCommand(job.command, {
      cwd: checkout,
      env: { PATH: toolPath(), HOME: root, CI: 'true', ...this.options.env },
      timeoutMs: this.options.timeoutMs ?? 600_000,
      signal: this.stopping.signal,
    });
  }
}

/** Runs in a process group of its own, which is killed as a whole at the end, at the timeout and on abort. */
function runCommand(
  command: readonly string[],
  options: { cwd: string; env: Record<string, string>; timeoutMs: number; signal: AbortSignal },
): Promise<{ conclusion: 'success' | 'failure' | 'timed_out'; words: string; output: string }> {
  return new Promise((resolve) => {
    const [program = '', ...args] = command;
    const { cwd, env } = options;
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let timedOut = false;
    const take = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_LIMIT);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const kill = (): void => killGroup(child.pid);
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, options.timeoutMs);
    const end = (words: string, success: boolean): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', kill);
      resolve({ conclusion: timedOut ? 'timed_out' : success ? 'success' : 'failure', words, output });
    };
    child.on('error', (error) => end(error.message, false));
    // The command's own end counts, not that of whatever it left behind with its output open.
    child.on('exit', () => {
      kill();
      // Something in a session of its own may hold the output open for ever.
      setTimeout(() => (child.stdout.destroy(), child.stderr.destroy()), OUTPUT_GRACE_MS).unref();
    });
    child.on('close', (code, signal) => end(signal ? `killed by ${signal}` : `exit ${code}`, code === 0));
    if (options.signal.aborted) kill();
    else options.signal.addEventListener('abort', kill, { once: true });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
