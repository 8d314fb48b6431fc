import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { processesOf } from '@capstan/test-support';
import type { MachineWorld } from '../world.js';

/** Processes of pods, and what lies on disk. Lock files are looked for below `directories`. */
export function readMachine(podsDir: string, directories: readonly string[]): MachineWorld {
  const pods = namesIn(podsDir);
  return {
    processes: processesOf(podsDir).map(({ pid, command }) => ({ pid, command })),
    pods,
    worktrees: pods.flatMap((pod) => namesIn(join(podsDir, pod, 'worktrees')).map((name) => `${pod}/${name}`)),
    lockFiles: directories.flatMap((directory) => lockFilesOf(directory)),
  };
}

function namesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** `index.lock`, `HEAD.lock`, `packed-refs.lock` …, wherever they lie. */
function lockFilesOf(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.lock'))
    .map((entry) => join(entry.parentPath, entry.name));
}
