import type { BareRepository, CommitData } from './bare-repository.js';

/** The tree of merging two commits, or null when they conflict. */
export function mergeTree(git: BareRepository, ours: string, theirs: string): Promise<string | null> {
  return git.immutable('merge-tree', [ours, theirs], () => runMergeTree(git, ours, theirs));
}

async function runMergeTree(git: BareRepository, ours: string, theirs: string): Promise<string | null> {
  const result = await git.tryGit([
    'merge-tree',
    '--write-tree',
    '--no-messages',
    '--allow-unrelated-histories',
    ours,
    theirs,
  ]);
  if (result.code > 1) throw new Error(`git merge-tree exited ${result.code}: ${result.stderr}`);
  return result.code === 0 ? (result.stdout.split('\n')[0] ?? '') : null;
}

/**
 * Replays `commits` (oldest first) onto `onto`. A commit is picked by a three-way merge whose ancestor is a made-up
 * root commit with the tree of its parent: `--merge-base` came only with git 2.40.
 * @returns the last commit, or null at the first conflict.
 */
export async function replay(
  git: BareRepository,
  onto: string,
  commits: readonly CommitData[],
): Promise<string | null> {
  let tip = onto;
  for (const commit of commits) {
    if (commit.parents.length > 1) continue;
    const parentTree = commit.parents[0] ? (await git.commit(commit.parents[0])).tree : await emptyTree(git);
    const root = await git.writeCommit(parentTree, [], 'ancestor');
    const theirs = await git.writeCommit(commit.tree, [root], 'theirs');
    const ours = await git.writeCommit((await git.commit(tip)).tree, [root], 'ours');
    const tree = await mergeTree(git, ours, theirs);
    if (tree === null) return null;
    tip = await git.writeCommit(tree, [tip], commit.message, commit.author);
  }
  return tip;
}

async function emptyTree(git: BareRepository): Promise<string> {
  return (await git.git(['mktree'], '')).trim();
}
