import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { realpathSync, existsSync } from 'node:fs';
import type { DiscardRequest } from '@capstan/domain';
import { SupervisorFault, systemCode } from './fault.js';
import { requireInside } from './inside.js';
import { endProcesses } from './processes.js';
import { RunDirectory } from './run-directory.js';
import { status } from './status.js';

/** Removes worktrees, homes and the directories of ended runs, all inside the root. A running run stops it before. */
export async function discard(root: string, request: DiscardRequest): Promise<void> {
  const runs = request.runIds.map((runId) => new RunDirectory(root, runId));
  const paths = request.paths.map((path) => resolve(root, path));
  for (const path of paths) {
    if (existsSync(dirname(path))) requireInside(root, join(realpathSync(dirname(path)), 'x'), path);
    if (path === resolve(root)) throw new SupervisorFault('outside_root', 'the root itself stays');
  }
  for (const run of runs) {
    const { state } = await status(run);
    if (state === 'running') throw new SupervisorFault('run_running', `run ${run.runId} is still running`);
    if (state !== 'unknown') await endProcesses(run.runId, { graceMs: 0, patienceMs: 5_000 });
  }
  for (const path of [...paths, ...runs.map((run) => run.path)]) await remove(path);
}

/** Removes a tree; what is gone is fine. Directories that forbid it (tool caches do) are opened first. */
export async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 2 });
  } catch (error) {
    if (systemCode(error) !== 'EACCES') throw error;
    open(path);
    await rm(path, { recursive: true, force: true, maxRetries: 2 });
  }
}

function open(path: string): void {
  if (!lstatSync(path).isDirectory()) return;
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) open(join(path, entry.name));
  }
}
