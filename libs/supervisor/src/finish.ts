import { resolve } from 'node:path';
import type { CollectRequest, FinishAnswer, FinishRequest } from '@capstan/domain';
import { CleanGit } from './clean-git.js';
import { SupervisorFault } from './fault.js';

/**
 * Commits what the agent left uncommitted and says what there is. The work is what HEAD has, wherever the agent took
 * it; when HEAD has nothing of its own, it is what the task's branch has. Afterwards the branch names it.
 */
export function finish(root: string, request: FinishRequest): FinishAnswer {
  return CleanGit.use(root, resolve(root, request.worktree), (clean) => {
    const { base, branch } = request;
    const head = clean.resolve('HEAD');
    if (head === undefined) throw new SupervisorFault('worktree_unreadable', 'HEAD names no commit');
    const tree = clean.stageEverything(head);
    if (tree !== clean.run(['rev-parse', `${head}^{tree}`]).text) {
      const committed = commit(clean, tree, head, request);
      clean.setBranch(branch, committed);
      clean.handBackIndex();
      return { head: committed, commitCount: clean.countCommits(base, committed), committedLeftovers: true };
    }
    const own = clean.countCommits(base, head) > 0 ? head : (clean.resolve(`refs/heads/${branch}`) ?? head);
    if (own === head) clean.setBranch(branch, head);
    return { head: own, commitCount: clean.countCommits(base, own), committedLeftovers: false };
  });
}

function commit(clean: CleanGit, tree: string, parent: string, request: FinishRequest): string {
  const [, name = '', email = ''] = /^\s*(.*?)\s*<(.*)>\s*$/.exec(request.author) ?? [];
  const [who, where] = name === '' ? [request.author, 'capstan@localhost'] : [name, email];
  const env = {
    GIT_AUTHOR_NAME: who,
    GIT_AUTHOR_EMAIL: where,
    GIT_COMMITTER_NAME: who,
    GIT_COMMITTER_EMAIL: where,
  };
  return clean.run(['commit-tree', tree, '-p', parent, '-F', '-'], { env, stdin: request.message }).text;
}

/** Prints `base..branch` as a git bundle on stdout. Whoever reads it must have `base`. */
export function collect(root: string, request: CollectRequest): void {
  CleanGit.use(root, resolve(root, request.worktree), (clean) => {
    const { base, branch } = request;
    const head = clean.resolve(`refs/heads/${branch}`);
    if (head === undefined) throw new SupervisorFault('branch_missing', `the worktree has no branch ${branch}`);
    if (clean.countCommits(base, head) === 0) throw new SupervisorFault('no_commits', `${branch} has no commits`);
    clean.setOwnRef(`refs/heads/${branch}`, head);
    clean.run(['bundle', 'create', '--quiet', '-', `refs/heads/${branch}`, `^${base}`], { stdout: 'raw' });
  });
}
