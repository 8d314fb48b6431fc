import { TransientError } from '@capstan/domain';
import type { Mirror } from './mirror.js';
import { BUNDLE_LIMITS, type BundleContents, type BundleFacts } from './bundle.decide.js';
import { secretsIn, type SecretNeedles } from './known-secrets.js';

export interface BundleRequest {
  readonly runId: string;
  readonly branch: string;
  readonly baseBranch: string;
  /** The commit that the branch started from, by the run's row. */
  readonly base: string;
  /** The commit that the run was judged by. */
  readonly head: string;
  readonly bundle: Buffer;
}

/** Refs that keep what has come in apart from everything that is pushed. */
export function quarantineRef(runId: string): string {
  return `refs/capstan/quarantine/${runId}`;
}

/** Reads a bundle into facts. It looks no further than the first thing that can't be read. */
export async function readBundle(
  mirror: Mirror,
  request: BundleRequest,
  secrets: readonly SecretNeedles[],
): Promise<BundleFacts> {
  const expected = { ref: `refs/heads/${request.branch}`, head: request.head };
  const facts: BundleFacts = { bytes: request.bundle.length, refs: null, expected, rejected: null, contents: null };
  if (facts.bytes > BUNDLE_LIMITS.bundleBytes) return facts;
  const quarantine = quarantineRef(request.runId);
  return mirror.withFile(`${request.runId}.bundle`, request.bundle, async (file) => {
    const listed = await mirror.bundleRefs(file);
    if ('rejected' in listed) return { ...facts, rejected: listed.rejected };
    const { refs } = listed;
    if (refs.length !== 1 || refs[0]!.name !== expected.ref) return { ...facts, refs };
    const rejected = await mirror.take(file, expected.ref, quarantine);
    if (rejected !== null) return { ...facts, refs, rejected };
    return { ...facts, refs, contents: await readContents(mirror, request, quarantine, secrets) };
  });
}

async function readContents(
  mirror: Mirror,
  request: BundleRequest,
  quarantine: string,
  secrets: readonly SecretNeedles[],
): Promise<BundleContents> {
  const head = await mirror.read(['rev-parse', `${quarantine}^{commit}`]);
  const base = `refs/remotes/origin/${request.baseBranch}`;
  const fork = await mirror.run(['merge-base', base, head]);
  const forkPoint = fork.code === 0 ? fork.output.toString().trim() : null;
  // Where the histories part is published and an ancestor by what it is; only another base has to be looked into.
  const ancestry =
    forkPoint === request.base
      ? { baseIsPublished: true, baseIsAncestor: true }
      : await readAncestry(mirror, request.base, head);
  const nothing = { changedPaths: [], largestFileBytes: 0, unpackedBytes: 0, submoduleChanges: [], secrets: [] };
  // Without a common commit there is nothing to compare with, and nothing will be published.
  if (forkPoint === null) return { head, ...ancestry, baseIsAncestor: false, ...nothing };
  const objects = await newObjects(mirror, head);
  const unpackedBytes = objects.reduce((sum, { bytes }) => sum + bytes, 0);
  const files = objects.filter(({ type }) => type === 'blob');
  const paths = await changedPaths(mirror, forkPoint, head);
  return {
    head,
    ...ancestry,
    changedPaths: paths,
    largestFileBytes: Math.max(0, ...files.map(({ bytes }) => bytes)),
    unpackedBytes,
    submoduleChanges: paths.includes('.gitmodules') ? await submoduleChanges(mirror, forkPoint, head) : [],
    // What is refused for its size is not read through.
    secrets: unpackedBytes > BUNDLE_LIMITS.unpackedBytes ? [] : await findSecrets(mirror, objects, secrets),
  };
}

async function readAncestry(
  mirror: Mirror,
  base: string,
  head: string,
): Promise<Pick<BundleContents, 'baseIsPublished' | 'baseIsAncestor'>> {
  if (!/^[0-9a-f]{40,64}$/.test(base)) return { baseIsPublished: false, baseIsAncestor: false };
  const holders = await mirror.run(['for-each-ref', '--count=1', `--contains=${base}`, 'refs/remotes/origin']);
  const ancestor = await mirror.run(['merge-base', '--is-ancestor', base, head]);
  return {
    baseIsPublished: holders.code === 0 && holders.output.length > 0,
    baseIsAncestor: ancestor.code === 0,
  };
}

async function changedPaths(mirror: Mirror, from: string, to: string): Promise<readonly string[]> {
  const output = await mustRun(mirror, ['diff-tree', '-r', '-z', '--name-only', '--no-renames', from, to]);
  return output.split('\0').filter(Boolean);
}

async function submoduleChanges(mirror: Mirror, from: string, to: string): Promise<readonly string[]> {
  const [before, after] = [await submoduleUrls(mirror, from), await submoduleUrls(mirror, to)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.filter((name) => before.get(name) !== after.get(name));
}

async function submoduleUrls(mirror: Mirror, commit: string): Promise<ReadonlyMap<string, string>> {
  const there = await mustRun(mirror, ['ls-tree', commit, '.gitmodules']);
  if (there.length === 0) return new Map();
  const { code, output } = await mirror.run([
    'config',
    '--blob',
    `${commit}:.gitmodules`,
    '-z',
    '--get-regexp',
    '^submodule\\..*\\.(url|update)$',
  ]);
  // A file that git can't parse is told apart from every other.
  if (code > 1) return new Map([['.gitmodules (unreadable)', commit]]);
  const entries = output.toString().split('\0').filter(Boolean);
  return new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('\n')), entry.slice(entry.indexOf('\n') + 1)]));
}

/** What a check reads must have been read whole: half an answer would let through what it doesn't show. */
async function mustRun(mirror: Mirror, args: readonly string[], input?: string): Promise<string> {
  const { code, output, complaint } = await mirror.run(args, undefined, undefined, input);
  if (code === 0) return output.toString();
  throw new TransientError(`git ${args[0]} ended with ${code}: ${complaint.trim().slice(-500)}`, {
    code: 'git_failed',
  });
}

interface NewObject {
  readonly sha: string;
  readonly type: string;
  readonly bytes: number;
}

/** Everything that the forge does not have yet: commits, trees and files of every commit in between. */
async function newObjects(mirror: Mirror, head: string): Promise<readonly NewObject[]> {
  const listed = await mirror.read(['rev-list', '--objects', '--no-object-names', head, '--not', '--remotes=origin']);
  if (listed === '') return [];
  const output = await mustRun(mirror, ['cat-file', '--batch-check'], `${listed}\n`);
  return output
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [sha = '', type = 'missing', bytes = '0'] = line.split(' ');
      return { sha, type, bytes: Number(bytes) || 0 };
    });
}

/** Looks through whole objects, so that messages, file names and files taken back again are looked at as well. */
async function findSecrets(
  mirror: Mirror,
  objects: readonly NewObject[],
  secrets: readonly SecretNeedles[],
): Promise<readonly string[]> {
  if (secrets.length === 0 || objects.length === 0) return [];
  const found = new Set<string>();
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let wanted: number | null = null;
  const consume = (chunk: Buffer): void => {
    pending.push(chunk);
    pendingBytes += chunk.length;
    while (pendingBytes >= (wanted ?? 1)) {
      const data = pending.length === 1 ? pending[0]! : Buffer.concat(pending);
      pending = [data];
      if (wanted === null) {
        const end = data.indexOf(10);
        if (end < 0) return;
        // `<sha> <type> <size>`, the object, a line feed; or `<sha> missing`.
        wanted = end + 1 + (Number(data.subarray(0, end).toString().split(' ')[2] ?? -1) + 1);
        continue;
      }
      for (const name of secretsIn(data.subarray(0, wanted), secrets)) found.add(name);
      pending = [data.subarray(wanted)];
      pendingBytes = pending[0]!.length;
      wanted = null;
    }
  };
  const input = `${objects.map(({ sha }) => sha).join('\n')}\n`;
  const { code } = await mirror.run(['cat-file', '--batch'], undefined, consume, input);
  // What could not be read may hold anything.
  return code === 0 ? [...found].sort() : ['(unreadable)'];
}
