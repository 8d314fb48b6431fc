import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PrepareRequest } from '@capstan/domain';
import type { CleanGit } from './clean-git.js';
import { remove } from './discard.js';
import { SupervisorFault } from './fault.js';
import type { Tips } from './fetch.js';
import { git } from './git.js';
import type { GitResult } from './git.js';

/**
 * A worktree that is being made: what `git clone --shared --single-branch` and a checkout make, in one git instead of
 * four. It has a `.git` of its own that borrows the pod clone's objects. Made beside its place and renamed into it, so a
 * worktree that is there is a whole one.
 */
export class WorktreeDraft {
  private readonly path: string;
  private at: string | undefined;

  constructor(
    private readonly clone: string,
    private readonly worktree: string,
    private readonly request: PrepareRequest,
  ) {
    this.path = `${worktree}.new`;
  }

  /** Checks out the task's branch as the tips say; may be called again when they turn out to be others. */
  async checkOut(tips: Tips): Promise<void> {
    const head = tips.branch ?? tips.base;
    const wanted = `${tips.base} ${head}`;
    if (this.at === wanted) return;
    if (this.at === undefined) {
      await remove(this.path);
      mkdirSync(this.path, { recursive: true });
    }
    const { branch, baseBranch } = this.request;
    const directory = join(this.path, '.git');
    const files = {
      HEAD: `ref: refs/heads/${branch}\n`,
      config: worktreeConfig(this.clone, baseBranch),
      'objects/info/alternates': `${join(this.clone, 'objects')}\n`,
      [`refs/heads/${branch}`]: `${head}\n`,
      [`refs/remotes/origin/${baseBranch}`]: `${tips.base}\n`,
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    const env = { GIT_DIR: directory, GIT_WORK_TREE: this.path };
    git(['read-tree', '--reset', '-u', head], { cwd: this.path, env });
    this.at = wanted;
  }

  /** Puts it in its place. */
  keep(): void {
    renameSync(this.path, this.worktree);
  }
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

export function since(base: string, head: string, run: (words: string[]) => GitResult): { base: string; head: string } {
  const merged = head === base ? base : run(['merge-base', base, head]).text;
  return { base: merged === '' ? base : merged, head };
}

/**
 * A worktree of an earlier run goes on from where it is: it learns the base branch's tip, and takes over what others
 * have added to the task's branch when that is a plain continuation.
 */
export function reuse(
  clean: CleanGit,
  request: Pick<PrepareRequest, 'baseBranch' | 'branch' | 'worktree'>,
  tips: Tips,
): { base: string; head: string } {
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
