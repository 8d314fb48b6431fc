import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MAX_JOURNAL_BYTES } from '@capstan/domain';
import type { AttachItem, JournalLine, LaunchRequest, StatusAnswer } from '@capstan/domain';
import { supervisorFile } from './index.js';

/** A root directory with the real bundle at work on it, one process per command. */
export class SupervisedRoot {
  readonly root = mkdtempSync(join(tmpdir(), 'capstan-supervisor-'));

  static build(): void {
    execFileSync(process.execPath, [resolve(import.meta.dirname, '../build.mjs')]);
  }

  ask<T>(command: string, runId: string, request: unknown = {}): T & { error?: { code: string; message: string } } {
    const result = spawnSync(process.execPath, this.argv(command, runId), { input: `${JSON.stringify(request)}\n` });
    return JSON.parse(result.stdout.toString()) as T & { error?: { code: string; message: string } };
  }

  /** As `ask`, without waiting for it: for several at once. */
  async askBeside<T>(command: string, runId: string, request: unknown): Promise<T> {
    return JSON.parse(await this.rawBeside(command, runId, request)) as T;
  }

  async rawBeside(command: string, runId: string, request: unknown): Promise<string> {
    const child = spawn(process.execPath, this.argv(command, runId), { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.end(`${JSON.stringify(request)}\n`);
    return Buffer.concat(await child.stdout.toArray()).toString();
  }

  raw(command: string, runId: string, request: unknown): Buffer {
    return spawnSync(process.execPath, this.argv(command, runId), {
      input: `${JSON.stringify(request)}\n`,
      maxBuffer: 1e8,
    }).stdout;
  }

  launch(runId: string, script: string, more: Partial<LaunchRequest> = {}): void {
    const request: LaunchRequest = {
      epoch: 1,
      argv: ['/bin/sh', '-c', script],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: this.root,
      deadlineAt: Date.now() + 600_000,
      maxJournalBytes: MAX_JOURNAL_BYTES,
      graceMs: 200,
      ...more,
    };
    const answer = this.ask<object>('launch', runId, request);
    if (answer.error !== undefined) throw new Error(answer.error.message);
  }

  status(runId: string): StatusAnswer {
    return this.ask('status', runId);
  }

  /** Starts `attach`; `read` is called with each item. */
  attach(runId: string, from: number, read: (item: AttachItem) => void, epoch = 1): ChildProcess {
    const numbers = ['--from', String(from), '--epoch', String(epoch)];
    const child = spawn(process.execPath, [...this.argv('attach', runId), ...numbers], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) read(JSON.parse(line) as AttachItem);
    });
    return child;
  }

  /** Reads the run to its end; the exit code of `attach` comes with its lines. */
  async readToEnd(runId: string, epoch = 1): Promise<{ lines: JournalLine[]; code: number | null }> {
    const lines: JournalLine[] = [];
    const child = this.attach(runId, 1, (item) => 'kind' in item && lines.push(item), epoch);
    const code = await new Promise<number | null>((done) => child.once('close', done));
    return { lines, code };
  }

  /** Numbers of the live processes that carry the run's id. */
  processes(runId: string): number[] {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && environment(pid).includes(`CAPSTAN_RUN_ID=${runId}\0`));
  }

  keeper(runId: string): number {
    const record = JSON.parse(readFileSync(join(this.root, 'runs', runId, 'process.json'), 'utf8')) as {
      keeper: { pid: number };
    };
    return record.keeper.pid;
  }

  remove(): void {
    for (const runId of this.runs()) {
      for (const pid of this.processes(runId)) process.kill(pid, 'SIGKILL');
    }
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  private runs(): string[] {
    try {
      return readdirSync(join(this.root, 'runs'));
    } catch {
      return [];
    }
  }

  private argv(command: string, runId: string): string[] {
    return [supervisorFile(), command, runId, '--root', this.root];
  }
}

function environment(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}
