import { mergeTree } from '../git/merging.js';
import { pullBody } from '../bodies/pull-request.js';
import type { Mergeability, PullNumbers } from '../bodies/pull-request.js';
import type { PullIssue, RepositoryRecord } from '../model.js';
import { missingField, validationFailed } from '../problem.js';
import type { GitHubProblem } from '../problem.js';
import type { World } from '../world.js';
import { latestCheckRuns, latestStatuses } from './checks.js';
import { reopenIssue } from './issues.js';
import { sendPullHook } from './pull-hooks.js';

export interface PullInput {
  readonly title: string;
  readonly body?: string | null;
  /** A branch, or `owner:branch`; forks aren't imitated. */
  readonly head: string;
  readonly base: string;
  readonly draft?: boolean;
}

const custom = (message: string): GitHubProblem =>
  validationFailed({ resource: 'PullRequest', code: 'custom', message });

/** @throws GitHubProblem 422 for an unknown head or base, no commits between them, or a pull request that is there. */
export async function openPull(
  world: World,
  repository: RepositoryRecord,
  author: string,
  input: PullInput,
): Promise<PullIssue> {
  if (!input.title) throw missingField('PullRequest', 'title');
  if (!input.head) throw missingField('PullRequest', 'head');
  if (!input.base) throw missingField('PullRequest', 'base');
  const [owner, ...rest] = input.head.split(':');
  const headRef = rest.length ? rest.join(':') : input.head;
  const { git } = repository;
  const headSha = rest.length && owner !== repository.owner ? null : await git.branch(headRef);
  if (!headSha) throw validationFailed({ resource: 'PullRequest', field: 'head', code: 'invalid' });
  const baseSha = await git.branch(input.base);
  if (!baseSha) throw validationFailed({ resource: 'PullRequest', field: 'base', code: 'invalid' });
  const ahead = (await git.aheadBehind(baseSha, headSha)).ahead;
  if (ahead === 0) throw custom(`No commits between ${input.base} and ${headRef}`);
  // Looked at after the last await before the insertion: two simultaneous requests must not both pass.
  const twin = world
    .pulls(repository)
    .find((other) => other.state === 'open' && other.pull.headRef === headRef && other.pull.baseRef === input.base);
  if (twin) throw custom(`A pull request already exists for ${repository.owner}:${headRef}.`);
  const issue = newPull(world, repository, author, { ...input, headRef, headSha, baseSha });
  await git.git(['update-ref', `refs/pull/${issue.number}/head`, headSha]);
  sendPullHook(world, repository, issue, author, 'opened');
  return issue;
}

function newPull(
  world: World,
  repository: RepositoryRecord,
  author: string,
  input: PullInput & { headRef: string; headSha: string; baseSha: string },
): PullIssue {
  const now = world.now();
  const issue: PullIssue = {
    id: world.nextId(),
    number: repository.nextNumber,
    title: input.title,
    body: input.body ?? null,
    state: 'open',
    stateReason: null,
    author,
    labels: [],
    assignees: [],
    createdAt: now,
    updatedAt: now,
    closedAt: null,
    closedBy: null,
    events: [],
    pull: {
      headRef: input.headRef,
      headSha: input.headSha,
      baseRef: input.base,
      baseSha: input.baseSha,
      draft: input.draft ?? false,
      mergedAt: null,
      mergedBy: null,
      mergeCommitSha: null,
      reviews: [],
      computedFor: null,
    },
  };
  repository.nextNumber += 1;
  repository.issues.set(issue.number, issue);
  return issue;
}

/**
 * The pull request as `GET` shows it. The answer to creating it and the first read after its head or base moved say
 * "unknown"; the read after that has been computed.
 */
export async function readPull(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
): Promise<Record<string, unknown>> {
  const { pull } = issue;
  const numbers = await pullNumbers(repository, issue);
  if (issue.state === 'closed') {
    const mergeability: Mergeability = { mergeable: null, state: 'unknown' };
    return pullBody(world, repository, issue, { numbers, mergeability });
  }
  const baseTip = (await repository.git.branch(pull.baseRef)) ?? pull.baseSha;
  const key = `${pull.headSha} ${baseTip}`;
  const known = pull.computedFor === key;
  pull.computedFor = key;
  const mergeability: Mergeability = known
    ? await mergeabilityOf(repository, issue, baseTip)
    : { mergeable: null, state: 'unknown' };
  return pullBody(world, repository, issue, { numbers, mergeability });
}

export async function pullNumbers(repository: RepositoryRecord, issue: PullIssue): Promise<PullNumbers> {
  const changes = await pullChanges(repository, issue);
  const commits = await repository.git.log([`${issue.pull.baseSha}..${issue.pull.headSha}`]);
  return {
    additions: changes.reduce((sum, change) => sum + change.additions, 0),
    deletions: changes.reduce((sum, change) => sum + change.deletions, 0),
    changedFiles: changes.length,
    commits: commits.length,
  };
}

/** Changed files, against the merge base as GitHub compares them. */
export async function pullChanges(repository: RepositoryRecord, issue: PullIssue) {
  const { baseSha, headSha } = issue.pull;
  const from = (await repository.git.mergeBase(baseSha, headSha)) ?? baseSha;
  return repository.git.changes(from, headSha);
}

async function mergeabilityOf(repository: RepositoryRecord, issue: PullIssue, baseTip: string): Promise<Mergeability> {
  const { pull } = issue;
  if ((await mergeTree(repository.git, baseTip, pull.headSha)) === null) return { mergeable: false, state: 'dirty' };
  if (pull.draft) return { mergeable: true, state: 'draft' };
  if (blockers(repository, issue).length > 0) return { mergeable: true, state: 'blocked' };
  const rules = repository.rules.get(pull.baseRef);
  if (rules?.requireUpToDate && !(await repository.git.isAncestor(baseTip, pull.headSha))) {
    return { mergeable: true, state: 'behind' };
  }
  return { mergeable: true, state: hasBadChecks(repository, pull.headSha) ? 'unstable' : 'clean' };
}

const PASSING = ['success', 'neutral', 'skipped'];

function hasBadChecks(repository: RepositoryRecord, sha: string): boolean {
  return (
    latestCheckRuns(repository, sha).some((run) => !PASSING.includes(run.conclusion ?? 'pending')) ||
    latestStatuses(repository, sha).some((status) => status.state !== 'success')
  );
}

/** Why the rules of the base branch refuse the merge, in GitHub's words; empty when they don't. */
export function blockers(repository: RepositoryRecord, issue: PullIssue): string[] {
  const rules = repository.rules.get(issue.pull.baseRef);
  if (!rules) return [];
  const reasons: string[] = [];
  for (const name of rules.requiredChecks ?? []) {
    const state = checkState(repository, issue.pull.headSha, name);
    if (state !== 'passing') reasons.push(`Required status check "${name}" is ${state}.`);
  }
  const opinions = latestOpinions(issue);
  if (rules.requiredApprovals !== undefined && opinions.includes('CHANGES_REQUESTED')) {
    reasons.push('Changes have been requested.');
  }
  const wanted = rules.requiredApprovals ?? 0;
  if (opinions.filter((state) => state === 'APPROVED').length < wanted) {
    const noun = wanted === 1 ? 'review is' : 'reviews are';
    reasons.push(`At least ${wanted} approving ${noun} required by reviewers with write access.`);
  }
  return reasons;
}

function checkState(
  repository: RepositoryRecord,
  sha: string,
  name: string,
): 'passing' | 'expected' | 'pending' | 'in progress' | 'failing' {
  const run = latestCheckRuns(repository, sha).find((candidate) => candidate.name === name);
  if (run) {
    if (run.status !== 'completed') return run.status === 'queued' ? 'pending' : 'in progress';
    return PASSING.includes(run.conclusion ?? '') ? 'passing' : 'failing';
  }
  const status = latestStatuses(repository, sha).find((candidate) => candidate.context === name);
  if (!status) return 'expected';
  if (status.state === 'pending') return 'pending';
  return status.state === 'success' ? 'passing' : 'failing';
}

/** Each reviewer's last word; a mere comment takes none back. */
function latestOpinions(issue: PullIssue): string[] {
  const opinions = new Map<string, string>();
  for (const review of issue.pull.reviews) {
    if (review.state !== 'COMMENTED') opinions.set(review.author, review.state);
  }
  return [...opinions.values()];
}

/** @throws GitHubProblem 422 once it is merged or its branch is gone. */
export async function reopenPull(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  login: string,
): Promise<void> {
  if (issue.state === 'open') return;
  const tip = await repository.git.branch(issue.pull.headRef);
  if (issue.pull.mergedAt !== null || !tip) {
    const message = tip
      ? 'state cannot be changed. The pull request cannot be reopened.'
      : `state cannot be changed. The ${issue.pull.headRef} branch has been deleted.`;
    throw validationFailed({ resource: 'PullRequest', field: 'state', code: 'invalid', message });
  }
  issue.pull.headSha = tip;
  reopenIssue(world, repository, issue, login);
}
