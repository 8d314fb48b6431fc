import { existsSync, mkdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { PrepareAnswer, PrepareRequest } from '@capstan/domain';
import { CleanGit } from './clean-git.js';
import { remove } from './discard.js';
import { SupervisorFault } from './fault.js';
import { git } from './git.js';
import type { GitResult } from './git.js';
import { requireInside } from './inside.js';
import { locked } from './lock.js';

const REMOTE_PROTOCOLS = 'https:http:file:git:ssh';
const BRANCH = /^(?!-)[^\s~^:?*[\\\x00-\x1f\x7f]+$/;

interface Tips {
  readonly base: string;
  /** Tip of the task's branch at the remote. */
  readonly branch: string | undefined;
}

/** Brings the pod clone up to date under its lock, then makes or reuses the task's worktree. */
export async function prepare(root: string, request: PrepareRequest): Promise<PrepareAnswer> {
  for (const name of [request.baseBranch, request.branch]) {
    if (!BRANCH.test(name)) throw new SupervisorFault('bad_branch', `not a branch name: ${JSON.stringify(name)}`);
  }
  const clone = resolve(root, request.clone);
  const worktree = resolve(root, request.worktree);
  const home = resolve(root, request.home);
  for (const path of [clone, worktree, home]) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    requireInside(root, realpathSync(dirname(path)), path);
  }
  const begun = performance.now();
  const tips = await locked(`${clone}.lock`, () => fetch(clone, request));
  const fetched = performance.now();
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (request.fresh) await remove(worktree);
  const reused = existsSync(worktree);
  if (!reused) await makeWorktree(clone, worktree, request, tips);
  const commits = reused
    ? CleanGit.use(root, worktree, (clean) => reuse(clean, request, tips))
    : since(tips.base, tips.branch ?? tips.base, (words) => git(words, { allowed: [1], env: { GIT_DIR: clone } }));
  const [fetchMs, worktreeMs] = [fetched - begun, performance.now() - fetched].map(Math.round) as [number, number];
  return { ...commits, reused, fetchMs, worktreeMs };
}

/** Fetches the two branches into the pod clone. Objects are never pruned: worktrees borrow them. */
function fetch(clone: string, request: PrepareRequest): Tips {
  if (!existsSync(join(clone, 'HEAD'))) git(['init', '--quiet', '--bare', '--template=', clone]);
  const base = `refs/heads/${request.baseBranch}`;
  const branch = `refs/heads/${request.branch}`;
  // A pattern, since a branch named in full must be there. What the pattern catches besides does no harm, and pruning
  // forgets a branch that was deleted at the remote.
  const pattern = `+${branch.slice(0, -1)}*:${branch.slice(0, -1)}*`;
  const config: Record<string, string> = request.authorization === undefined ? {} : authorization(request);
  const fetched = git(
    [
      'fetch',
      ...['--quiet', '--prune', '--no-tags', '--no-write-fetch-head', '--update-head-ok', '--no-recurse-submodules'],
      ...['--', request.remoteUrl, `+${base}:${base}`, ...(branch === base ? [] : [pattern])],
    ],
    { cwd: clone, config, protocols: REMOTE_PROTOCOLS, allowed: [1, 128], env: { GIT_DIR: clone } },
  );
  if (fetched.code !== 0) throw fetchFault(clone, request, config, fetched.stderr);
  const tips = new Map<string, string>();
  const listed = git(['for-each-ref', '--format=%(objectname) %(refname)', base, branch], { env: { GIT_DIR: clone } });
  for (const line of listed.text.split('\n')) tips.set(line.slice(line.indexOf(' ') + 1), line.split(' ')[0] ?? '');
  const tip = tips.get(base);
  if (tip === undefined) throw missing(request);
  return { base: tip, branch: branch === base ? undefined : tips.get(branch) };
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

/**
 * What `git clone --shared --single-branch` and a checkout make, in one git instead of four: a working tree with a
 * `.git` of its own that borrows the pod clone's objects. Made beside its place and renamed into it, so a worktree that
 * is there is a whole one.
 */
async function makeWorktree(clone: string, worktree: string, request: PrepareRequest, tips: Tips): Promise<void> {
  const draft = `${worktree}.new`;
  const directory = join(draft, '.git');
  const head = tips.branch ?? tips.base;
  await remove(draft);
  mkdirSync(draft, { recursive: true });
  const files = {
    HEAD: `ref: refs/heads/${request.branch}\n`,
    config: worktreeConfig(clone, request.baseBranch),
    'objects/info/alternates': `${join(clone, 'objects')}\n`,
    [`refs/heads/${request.branch}`]: `${head}\n`,
    [`refs/remotes/origin/${request.baseBranch}`]: `${tips.base}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  git(['read-tree', '--reset', '-u', head], { cwd: draft, env: { GIT_DIR: directory, GIT_WORK_TREE: draft } });
  renameSync(draft, worktree);
}

function worktreeConfig(clone: string, baseBranch: string): string {
  return [
    '[core]',
    '\trepositoryformatversion = 0',
    '\tfilemode = true',
    '\tbare = false',
    '\tlogallrefupdates = true',
    '[remote "origin"]',
    `\turl = ${quoted(clone)}`,
    '\tpushurl = capstan-publishes-this-branch',
    `\tfetch = ${quoted(`+refs/heads/${baseBranch}:refs/remotes/origin/${baseBranch}`)}`,
    '',
  ].join('\n');
}

function quoted(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

function since(base: string, head: string, run: (words: string[]) => GitResult): { base: string; head: string } {
  const merged = head === base ? base : run(['merge-base', base, head]).text;
  return { base: merged === '' ? base : merged, head };
}

/**
 * A worktree of an earlier run goes on from where it is: it learns the base branch's tip, and takes over what others
 * have added to the task's branch when that is a plain continuation.
 */
function reuse(clean: CleanGit, request: PrepareRequest, tips: Tips): { base: string; head: string } {
  clean.setRef(`refs/remotes/origin/${request.baseBranch}`, tips.base);
  const head = clean.resolve('HEAD');
  if (head === undefined) throw new SupervisorFault('worktree_unreadable', `${request.worktree} has no commit at HEAD`);
  const ahead = tips.branch !== undefined && tips.branch !== head && clean.isAncestor(head, tips.branch);
  if (ahead && clean.moveFiles(head, tips.branch)) {
    clean.setBranch(request.branch, tips.branch);
    return since(tips.base, tips.branch, (words) => clean.run(words, { allowed: [1] }));
  }
  return since(tips.base, head, (words) => clean.run(words, { allowed: [1] }));
}
