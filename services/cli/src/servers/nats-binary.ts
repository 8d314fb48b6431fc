import { spawnSync } from 'node:child_process';
import { UserError } from '@capstan/domain';
import { cachedFile, fetchCommand, lastWords, lookFor, type FetchedBinary } from './fetched-binary.js';

/** The oldest version whose JetStream does what Capstan asks of it; older ones drop settings silently. */
export const NATS_FLOOR = '2.10.0';

export interface NatsBinaryOptions {
  readonly rootDir: string;
  /** `$NATS_SERVER_BIN`, when it is set. */
  readonly fromEnvironment: string | undefined;
  readonly path: string;
  /** Told when something is fetched, for the terminal. */
  readonly progress?: (line: string) => void;
}

/**
 * Finds nats-server: `$NATS_SERVER_BIN`, PATH, the project's cache, else fetched into the cache by scripts/get-nats.sh.
 * @throws UserError when there is none that is new enough, with what was tried.
 */
export function findNats(options: NatsBinaryOptions): string {
  if (options.fromEnvironment !== undefined) return demand(options.fromEnvironment);
  const { rootDir, path } = options;
  const wanted: FetchedBinary = { rootDir, path, file: 'nats-server', cache: 'nats', script: 'get-nats.sh', refusalOf };
  const there = lookFor(wanted);
  if ('binary' in there) return there.binary;
  options.progress?.('fetching nats-server into .cache/nats (once)');
  const fetched = spawnSync(...fetchCommand(wanted), { encoding: 'utf8' });
  const cached = cachedFile(wanted);
  if (fetched.status === 0 && refusalOf(cached) === undefined) return cached;
  const tried = [...there.refusals, lastWords(wanted.script, fetched.error?.message ?? fetched.stderr)];
  throw new UserError(`no nats-server ${NATS_FLOOR} or newer was found (${tried.join('; ')})`, {
    code: 'nats_missing',
  });
}

function demand(binary: string): string {
  const refusal = refusalOf(binary);
  if (refusal === undefined) return binary;
  throw new UserError(`NATS_SERVER_BIN can't be used: ${refusal}`, {
    code: 'nats_binary_unusable',
    field: 'NATS_SERVER_BIN',
    remedy: `Name a nats-server of version ${NATS_FLOOR} or newer, or unset NATS_SERVER_BIN so that Capstan finds one.`,
  });
}

/** Why this binary can't be used, or undefined when it can. */
function refusalOf(binary: string): string | undefined {
  const answer = spawnSync(binary, ['--version'], { encoding: 'utf8' });
  const version = /v?(\d+\.\d+\.\d+)/.exec(answer.stdout ?? '')?.[1];
  if (version === undefined)
    return `${binary} doesn't say its version (${answer.error?.message ?? answer.stderr.trim()})`;
  if (isOlder(version, NATS_FLOOR)) return `${binary} is ${version}, older than ${NATS_FLOOR}`;
  return undefined;
}

/** Compares dotted versions; what follows a dash is ignored. */
export function isOlder(version: string, floor: string): boolean {
  const parts = (text: string) => (text.split('-')[0] ?? '').split('.').map(Number);
  const [a, b] = [parts(version), parts(floor)];
  for (let index = 0; index < b.length; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
