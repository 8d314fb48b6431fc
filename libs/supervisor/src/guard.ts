import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { RunDirectory } from './run-directory.js';

/** Reads its input to the first line or the end: without a line, whoever held the other end was killed. */
const SCRIPT = 'read -r over || exec "$@"';

/**
 * Outlives a keeper that is killed: a shell in a session of its own that waits for the keeper's word. When there is none
 * it asks for the run's status, which ends what is left of a run without a keeper. So no agent goes on unwatched past
 * its deadline, even where nothing else of Capstan is alive to ask.
 */
export class Guard {
  private readonly shell: ChildProcess;

  constructor(run: RunDirectory) {
    const status = [process.execPath, process.argv[1] ?? '', 'status', run.runId, '--root', run.root];
    this.shell = spawn('/bin/sh', ['-c', SCRIPT, 'capstan-guard', ...status], {
      cwd: run.root,
      env: {},
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Without a shell there is no guard: a killed keeper is then found by whoever asks for the run next.
    this.shell.on('error', (error) => process.stderr.write(`the keeper has no guard: ${String(error)}\n`));
    this.shell.stdin?.on('error', () => undefined);
    this.shell.unref();
  }

  /** The run is over in good order. */
  dismiss(): void {
    this.shell.stdin?.end('over\n');
  }
}
