import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unreachable } from '@capstan/domain';
import type { Mirrors } from '../push/mirror.js';
import type { MirrorSight, MirrorStep } from './tidy-mirrors.decide.js';
import { FIRST_SIZE_FILE, bytesIn } from './tidy-mirrors.snapshot.js';

/** Does one step, while nobody is at the mirror. `stale`: somebody is, and the next sweep decides anew. */
export async function applyMirrorStep(
  mirrors: Mirrors,
  { repositoryId }: MirrorSight,
  step: MirrorStep,
): Promise<'applied' | 'stale'> {
  switch (step) {
    case 'keep':
      return 'applied';
    case 'measure':
      // Measured again: nothing is being fetched now, so it is the size of whole fetches.
      return mirrors.whenIdle(repositoryId, async (path) => {
        await writeFile(join(path, FIRST_SIZE_FILE), String(await bytesIn(path)), { mode: 0o600 });
      });
    case 'renew':
    case 'remove':
      return mirrors.discard(repositoryId);
    default:
      return unreachable(step);
  }
}

/** Deletes what was set aside. */
export async function removeSetAside(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(directory, name), { recursive: true, force: true, maxRetries: 2 });
}
