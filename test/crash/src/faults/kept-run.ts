import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stage } from '../stage/stage.js';

/** A run whose keeper is at work, as its directory in the pod says. */
export interface KeptRun {
  readonly runId: string;
  readonly directory: string;
  /** Process id of the supervisor's keeper. */
  readonly keeper: number;
}

/** Every run that has started and has no exit yet. */
export function keptRuns({ capstanDir }: Stage): KeptRun[] {
  const pods = join(capstanDir, 'pods');
  return entries(pods).flatMap((pod) =>
    entries(join(pods, pod, 'runs')).flatMap((runId) => {
      const directory = join(pods, pod, 'runs', runId);
      const file = join(directory, 'process.json');
      if (existsSync(join(directory, 'exit.json'))) return [];
      const text = ifThere(() => readFileSync(file, 'utf8'));
      if (text === null) return [];
      const { keeper } = JSON.parse(text) as { keeper: { pid: number } };
      return [{ runId, directory, keeper: keeper.pid }];
    }),
  );
}

export function keptRun(stage: Stage, runId: string): KeptRun | null {
  return keptRuns(stage).find((run) => run.runId === runId) ?? null;
}

function entries(directory: string): string[] {
  return ifThere(() => readdirSync(directory)) ?? [];
}

/** Pods and runs are deleted at any moment, and files lie beside them. */
function ifThere<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}
