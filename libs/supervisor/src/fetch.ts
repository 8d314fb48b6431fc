import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PrepareRequest } from '@capstan/domain';
import { draftName } from './draft-name.js';
import { ifThere, SupervisorFault } from './fault.js';
import { git, gitBeside } from './git.js';
import { locked } from './lock.js';
import { bootId } from './processes.js';

const REMOTE_PROTOCOLS = 'https:http:file:git:ssh';
const LAST_FETCH = 'capstan-last-fetch.json';

/** How git (2.30 to 2.53) tells that the remote said no, and for good; what it said for itself stands before it. */
const REFUSED = /The requested URL returned error: 40[134]|Authentication failed for|repository '.*' not found/;

/** Commits that the remote's branches are at. */
export interface Tips {
  readonly base: string;
  /** Tip of the task's branch at the remote, undefined where there is none. */
  readonly branch: string | undefined;
}

/** The clone's last fetch of a base branch, kept in it as {@link LAST_FETCH}. */
interface LastFetch {
  readonly remoteUrl: string;
  readonly baseBranch: string;
  /** Tip that it found. */
  readonly tip: string;
  /** When it began: milliseconds on the clock of this boot. */
  readonly begunMs: number;
  readonly bootId: string;
}

/** Milliseconds on a clock that all processes of this boot share and nobody sets. */
export function bootClockMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/**
 * Brings the pod clone up to date under its lock. A fetch that began after `askedMs` ({@link bootClockMs}) is as good as
 * one's own: of many runs that are asked for at once, the first fetches and the others, who waited for it, take what it
 * found. Only for a branch that nobody has published, since a fetch brings one task's branch and no other's.
 */
export function fetch(clone: string, request: PrepareRequest, askedMs: number): Promise<Tips> {
  return locked(`${clone}.lock`, async () => {
    const last = request.branchIsNew === true ? lastFetch(clone, request) : undefined;
    if (last !== undefined && last.bootId === bootId() && last.begunMs >= askedMs) {
      return { base: last.tip, branch: undefined };
    }
    const { remoteUrl, baseBranch } = request;
    const begunMs = bootClockMs();
    const tips = await fetchNow(clone, request);
    write(clone, { remoteUrl, baseBranch, tip: tips.base, begunMs, bootId: bootId() });
    return tips;
  });
}

/** Where the base branch was when it was last looked at; undefined where it never was. */
export function lastKnownTip(clone: string, request: PrepareRequest): string | undefined {
  return lastFetch(clone, request)?.tip;
}

function lastFetch(clone: string, { remoteUrl, baseBranch }: PrepareRequest): LastFetch | undefined {
  const last = read(join(clone, LAST_FETCH));
  return last?.remoteUrl === remoteUrl && last.baseBranch === baseBranch ? last : undefined;
}

/** A record that a power cut left torn is no record: the next fetch writes it anew. */
function read(file: string): LastFetch | undefined {
  const text = ifThere(() => readFileSync(file, 'utf8'));
  try {
    return text === undefined ? undefined : (JSON.parse(text) as LastFetch);
  } catch {
    return undefined;
  }
}

function write(clone: string, last: LastFetch): void {
  const draft = join(clone, `.${draftName()}`);
  writeFileSync(draft, JSON.stringify(last));
  renameSync(draft, join(clone, LAST_FETCH));
}

/** Fetches the two branches into the pod clone. Objects are never pruned: worktrees borrow them. */
async function fetchNow(clone: string, request: PrepareRequest): Promise<Tips> {
  if (!existsSync(join(clone, 'HEAD'))) git(['init', '--quiet', '--bare', '--template=', clone]);
  const base = `refs/heads/${request.baseBranch}`;
  const branch = `refs/heads/${request.branch}`;
  // A pattern, since a branch named in full must be there. What the pattern catches besides does no harm, and pruning
  // forgets a branch that was deleted at the remote.
  const pattern = `+${branch.slice(0, -1)}*:${branch.slice(0, -1)}*`;
  const alone = branch === base || request.branchIsNew === true;
  const config: Record<string, string> = request.authorization === undefined ? {} : authorization(request);
  const fetched = await gitBeside(
    [
      'fetch',
      ...['--quiet', '--prune', '--no-tags', '--no-write-fetch-head', '--update-head-ok', '--no-recurse-submodules'],
      ...['--', request.remoteUrl, `+${base}:${base}`, ...(alone ? [] : [pattern])],
    ],
    { cwd: clone, config, protocols: REMOTE_PROTOCOLS, allowed: [1, 128], env: { GIT_DIR: clone } },
  );
  if (fetched.code !== 0) throw fetchFault(clone, request, config, fetched.stderr);
  const tips = new Map<string, string>();
  const listed = git(['for-each-ref', '--format=%(objectname) %(refname)', base, branch], { env: { GIT_DIR: clone } });
  for (const line of listed.text.split('\n')) tips.set(line.slice(line.indexOf(' ') + 1), line.split(' ')[0] ?? '');
  const tip = tips.get(base);
  if (tip === undefined) throw missing(request);
  return { base: tip, branch: alone ? undefined : tips.get(branch) };
}

/** In this one process's environment only, and only for this address. */
function authorization(request: PrepareRequest): Record<string, string> {
  return { [`http.${request.remoteUrl}.extraHeader`]: `Authorization: ${request.authorization ?? ''}` };
}

function fetchFault(
  clone: string,
  request: PrepareRequest,
  config: Record<string, string>,
  said: string,
): SupervisorFault {
  if (REFUSED.test(said)) return new SupervisorFault('fetch_refused', said);
  const asked = git(
    ['ls-remote', '--quiet', '--exit-code', '--', request.remoteUrl, `refs/heads/${request.baseBranch}`],
    {
      cwd: clone,
      config,
      protocols: REMOTE_PROTOCOLS,
      allowed: [1, 2, 128],
    },
  );
  // ls-remote answers 2 when it could ask and the branch isn't there.
  if (asked.code === 2) return missing(request);
  return new SupervisorFault('fetch_failed', `the repository can't be fetched: ${said}`);
}

function missing(request: PrepareRequest): SupervisorFault {
  return new SupervisorFault('base_branch_missing', `the repository has no branch ${request.baseBranch}`);
}
