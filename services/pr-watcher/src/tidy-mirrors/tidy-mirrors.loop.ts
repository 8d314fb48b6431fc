import type { Database } from '@capstan/database';
import type { Logger, Loops, Metrics } from '@capstan/service-kit';
import type { Mirrors } from '../push/mirror.js';
import { applyMirrorStep, removeSetAside } from './tidy-mirrors.apply.js';
import { decideMirror, takesAway } from './tidy-mirrors.decide.js';
import { readMirrors } from './tidy-mirrors.snapshot.js';

const EVERY_MS = 30 * 60_000;

export interface TidyMirrorsParts {
  readonly database: Database;
  readonly mirrors: Mirrors;
  readonly directory: string;
  readonly logger: Pick<Logger, 'info'>;
  readonly metrics: Metrics;
}

/** Keeps the mirrors from growing without an end. */
export function tidyMirrorsLoop(loops: Loops, parts: TidyMirrorsParts): void {
  const bytes = parts.metrics.gauge('capstan_mirrors_bytes', 'Size of all mirrors of this replica');
  loops.every({
    name: 'tidy mirrors',
    everyMs: EVERY_MS,
    pass: async () => bytes.set(await tidyMirrors(parts)),
  });
}

/** One sweep. @returns how many bytes the mirrors had before it. */
export async function tidyMirrors({
  database,
  mirrors,
  directory,
  logger,
}: Omit<TidyMirrorsParts, 'metrics'>): Promise<number> {
  const { mirrors: seen, setAside } = await readMirrors(database, directory);
  for (const mirror of seen) {
    const step = decideMirror(mirror);
    const done = await applyMirrorStep(mirrors, mirror, step);
    const { repositoryId, bytes, firstBytes } = mirror;
    if (takesAway(step) && done === 'applied')
      logger.info({ repositoryId, bytes, firstBytes, step }, 'mirror taken away: it is made anew when it is needed');
  }
  await removeSetAside(directory, setAside);
  return seen.reduce((sum, { bytes }) => sum + bytes, 0);
}
