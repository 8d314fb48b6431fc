import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Boundary, PrepareAnswer, PrepareRequest } from '@capstan/domain';
import { remove } from './discard.js';
import { SupervisorFault } from './fault.js';
import { bootClockMs, fetch, lastKnownTip } from './fetch.js';
import type { Tips } from './fetch.js';
import { git } from './git.js';
import { requireInside } from './inside.js';
import { Reuse } from './run-inside.js';
import { since, WorktreeDraft } from './worktree.js';

const BRANCH = /^(?!-)[^\s~^:?*[\\\x00-\x1f\x7f]+$/;

/**
 * Brings the pod clone up to date under its lock, then makes or reuses the task's worktree: an agent has been in the
 * latter, so that is done inside the boundary where there is one.
 */
export async function prepare(
  root: string,
  runId: string,
  request: PrepareRequest,
  boundary?: Boundary,
): Promise<PrepareAnswer> {
  const askedMs = bootClockMs() - (request.askedMsAgo ?? 0);
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
  const fetching = fetch(clone, request, askedMs);
  // Whoever fails first says so below; the lock is given back either way.
  fetching.catch(() => undefined);
  if (request.fresh) await remove(worktree);
  const reused = existsSync(worktree);
  const make = reused ? new Reuse(root, runId, boundary) : await NewWorktree.begin(clone, worktree, request);
  let tips: Tips;
  try {
    tips = await fetching;
  } catch (error) {
    make.dismiss();
    throw error;
  }
  const fetched = performance.now();
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const commits = await make.with(request, tips);
  const [fetchMs, worktreeMs] = [fetched - begun, performance.now() - fetched].map(Math.round) as [number, number];
  return { ...commits, reused, fetchMs, worktreeMs };
}

/** A worktree that is made while the branch is fetched. */
class NewWorktree {
  private constructor(
    private readonly clone: string,
    private readonly draft: WorktreeDraft,
  ) {}

  static async begin(clone: string, worktree: string, request: PrepareRequest): Promise<NewWorktree> {
    const draft = new WorktreeDraft(clone, worktree, request);
    await anticipate(draft, lastKnownTip(clone, request));
    return new NewWorktree(clone, draft);
  }

  async with(_: PrepareRequest, tips: Tips): Promise<{ base: string; head: string }> {
    await this.draft.checkOut(tips);
    this.draft.keep();
    const env = { GIT_DIR: this.clone };
    return since(tips.base, tips.branch ?? tips.base, (words) => git(words, { allowed: [1], env }));
  }

  /** A draft is nobody's: the next preparation begins by removing it. */
  dismiss(): void {}
}

/**
 * Checks out the base branch as it was last seen while the remote is asked where it is now: mostly it is there still.
 * What can't be done so early is done again, and complained of, when the answer has come.
 */
async function anticipate(draft: WorktreeDraft, base: Tips['base'] | undefined): Promise<void> {
  if (base === undefined) return;
  try {
    await draft.checkOut({ base, branch: undefined });
  } catch (error) {
    if (!(error instanceof SupervisorFault)) throw error;
  }
}
