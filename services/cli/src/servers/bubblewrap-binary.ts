import { execFile, spawnSync } from 'node:child_process';
import { cachedFile, fetchCommand, lastWords, lookFor, type FetchedBinary } from './fetched-binary.js';

/** A machine without a network is not waited for longer than this, ms. */
const FETCH_MS = 30_000;

export interface BubblewrapOptions {
  readonly rootDir: string;
  readonly path: string;
  /** Told when something is fetched, and when it can't be had, for the terminal. */
  readonly progress?: (line: string) => void;
}

/**
 * Finds bubblewrap, which local pods are isolated with: PATH, the project's cache, else fetched into the cache by
 * scripts/get-bwrap.sh. Undefined where it can't be had: pods then say that they aren't isolated, and why.
 */
export async function findBubblewrap({ rootDir, path, progress }: BubblewrapOptions): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const wanted: FetchedBinary = { rootDir, path, file: 'bwrap', cache: 'bwrap', script: 'get-bwrap.sh', refusalOf };
  const there = lookFor(wanted);
  if ('binary' in there) return there.binary;
  progress?.('fetching bubblewrap into .cache/bwrap (once)');
  const [program, words] = fetchCommand(wanted);
  const failure = await new Promise<string | undefined>((resolve) => {
    execFile(program, words, { timeout: FETCH_MS }, (error, _, stderr) =>
      resolve(error === null ? undefined : lastWords(wanted.script, stderr || error.message)),
    );
  });
  const cached = cachedFile(wanted);
  const fault = failure ?? refusalOf(cached);
  if (fault === undefined) return cached;
  progress?.(`bubblewrap can't be had, so pods will not be isolated: ${[...there.refusals, fault].join('; ')}`);
  return undefined;
}

function refusalOf(binary: string): string | undefined {
  const answer = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  if (answer.status === 0) return undefined;
  return `${binary} doesn't run here (${answer.error?.message ?? answer.stderr.trim()})`;
}
