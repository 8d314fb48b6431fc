import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { inherited } from './inherited.config.js';

const ROOT = resolve(import.meta.dirname, '../../..');

/**
 * bubblewrap for a spec: the machine's, else the distribution's package, unpacked into `.cache` as `npm start` does.
 * Throws where it can't be had, so that the spec fails: a boundary that nobody tried is none.
 */
export function bubblewrap(): string {
  const cached = join(ROOT, '.cache', 'bwrap', 'bwrap');
  const onPath = (inherited()['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'bwrap'));
  const found = [...onPath, cached].find(isExecutable);
  if (found !== undefined) return found;
  execFileSync('bash', [join(ROOT, 'scripts', 'get-bwrap.sh'), join(ROOT, '.cache', 'bwrap')], { stdio: 'pipe' });
  return cached;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
