import { mkdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { LaunchRequest } from '@capstan/domain';
import { draftName } from './draft-name.js';
import { requireInside } from './inside.js';

/** Writes the files that a launch brings along. */
export function placeFiles(root: string, { files = {} }: Pick<LaunchRequest, 'files'>): void {
  for (const [path, text] of Object.entries(files)) placeFile(root, path, text);
}

/** Writes a file 0600 inside the root. Renamed into place, so a link planted there is replaced, not followed. */
function placeFile(root: string, path: string, text: string): void {
  const target = resolve(root, path);
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  requireInside(root, realpathSync(dirname(target)), path);
  const draft = join(dirname(target), `.${draftName()}`);
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
  renameSync(draft, target);
}
