import { resolve } from 'node:path';

/** Absolute path of the bundled supervisor (made by `node libs/supervisor/build.mjs`), on this machine. */
export function supervisorFile(): string {
  return resolve(import.meta.dirname, '../dist/supervisor.mjs');
}
