import { mergeTree, replay } from '../git/merging.js';
import type { PullIssue, RepositoryRecord } from '../model.js';
import { GitHubProblem } from '../problem.js';
import type { World } from '../world.js';
import { blockers } from './pull-requests.js';
import { markMerged, refsMoved } from './pushes.js';

export interface MergeInput {
  readonly method?: 'merge' | 'squash' | 'rebase';
  /** The head that was judged; another head is refused. */
  readonly sha?: string;
  readonly title?: string;
  readonly message?: string;
}

const refused = (message: string): GitHubProblem => new GitHubProblem(405, message);

/**
 * Merges for real and answers the new tip of the base.
 * @throws GitHubProblem 405 when it can't be merged or a rule forbids it, 409 when the head isn't `sha`.
 */
export function mergePull(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  login: string,
  input: MergeInput = {},
): Promise<string> {
  return repository.git.exclusively(async () => {
    const { pull } = issue;
    const baseRef = `refs/heads/${pull.baseRef}`;
    const baseTip = await repository.git.branch(pull.baseRef);
    if (issue.state === 'closed' || !baseTip) throw refused('Pull Request is not mergeable');
    if (input.sha && input.sha !== pull.headSha) {
      throw new GitHubProblem(409, 'Head branch was modified. Review and try the merge again.');
    }
    if (pull.draft) throw refused('Pull Request is still a draft');
    const rules = repository.rules.get(pull.baseRef);
    const reasons = blockers(repository, issue);
    if (rules?.requireUpToDate && !(await repository.git.isAncestor(baseTip, pull.headSha))) {
      reasons.push('The head branch is not up to date with the base branch.');
    }
    if (reasons.length > 0) throw refused(`Repository rule violations found\n\n${reasons.join('\n\n')}`);
    const tip = await write(repository, issue, login, baseTip, input);
    if (tip === null) throw refused('Pull Request is not mergeable');
    if (!(await repository.git.updateRef(baseRef, tip, baseTip))) {
      throw refused('Base branch was modified. Review and try the merge again.');
    }
    pull.baseSha = baseTip;
    markMerged(world, repository, issue, login, tip);
    await refsMoved(world, repository, login, [{ ref: baseRef, before: baseTip, after: tip }]);
    return tip;
  });
}

/** The commit that the base moves to, or null on a conflict. */
async function write(
  repository: RepositoryRecord,
  issue: PullIssue,
  login: string,
  baseTip: string,
  input: MergeInput,
): Promise<string | null> {
  const { git } = repository;
  const { pull } = issue;
  const commits = await git.log([`${baseTip}..${pull.headSha}`]);
  const author = {
    name: login,
    email: `${login}@users.noreply.github.com`,
    date: `${Math.floor(Date.now() / 1000)} +0000`,
  };
  const method = input.method ?? 'merge';
  if (method === 'rebase') return replay(git, baseTip, commits);
  const tree = await mergeTree(git, baseTip, pull.headSha);
  if (tree === null) return null;
  if (method === 'squash') {
    const list = commits.length > 1 ? commits.map((commit) => `* ${commit.message}`).join('\n\n') : '';
    const title = input.title ?? `${issue.title} (#${issue.number})`;
    return git.writeCommit(tree, [baseTip], join(title, input.message ?? list), author);
  }
  const title = input.title ?? `Merge pull request #${issue.number} from ${repository.owner}/${pull.headRef}`;
  return git.writeCommit(tree, [baseTip, pull.headSha], join(title, input.message ?? issue.title), author);
}

const join = (title: string, message: string): string => (message ? `${title}\n\n${message}\n` : `${title}\n`);
