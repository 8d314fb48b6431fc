import { pushCommitBody } from '../bodies/commit.js';
import { repositoryBody, repositoryHtmlUrl } from '../bodies/repository.js';
import { userBody } from '../bodies/user.js';
import { ZERO_SHA } from '../git/bare-repository.js';
import type { PullIssue, RepositoryRecord } from '../model.js';
import type { World } from '../world.js';
import { closeIssue, record } from './issues.js';
import { sendPullHook } from './pull-hooks.js';

export interface RefChange {
  readonly ref: string;
  readonly before: string;
  readonly after: string;
}

/** What differs between two listings of refs. */
export function refChanges(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): RefChange[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .map((ref) => ({ ref, before: before.get(ref) ?? ZERO_SHA, after: after.get(ref) ?? ZERO_SHA }))
    .filter((change) => change.before !== change.after);
}

/** Everything that follows from refs having moved, whoever moved them: called after the refs are on disk. */
export async function refsMoved(
  world: World,
  repository: RepositoryRecord,
  login: string,
  changes: readonly RefChange[],
): Promise<void> {
  for (const change of changes) {
    repository.pushedAt = world.now();
    world.journal.push({ kind: 'push', at: Date.now(), fullName: repository.fullName, login, ...change });
    if (change.ref.startsWith('refs/heads/')) await followPulls(world, repository, login, change);
    await sendPushHook(world, repository, login, change);
    for (const listener of world.pushListeners) listener({ fullName: repository.fullName, ...change });
  }
}

async function followPulls(
  world: World,
  repository: RepositoryRecord,
  login: string,
  change: RefChange,
): Promise<void> {
  const branch = change.ref.slice('refs/heads/'.length);
  const open = world.pulls(repository).filter(({ state }) => state === 'open');
  const onto = open.filter(({ pull }) => pull.headRef !== branch && pull.baseRef === branch);
  // Asked once for all of them: a process for each would make a merge as slow as there are open pull requests.
  const arrived = onto.length === 0 ? new Set<string>() : await repository.git.arrived(change.before, change.after);
  for (const issue of open.filter(({ pull }) => pull.headRef === branch))
    await headMoved(world, repository, issue, login, change);
  for (const issue of onto) baseMoved(world, repository, issue, login, change, arrived);
  if (branch === repository.defaultBranch && change.after !== ZERO_SHA && change.before !== ZERO_SHA) {
    for (const commit of await repository.git.log([`${change.before}..${change.after}`])) {
      closeByKeyword(world, repository, commit.message, login);
    }
  }
}

async function headMoved(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  login: string,
  change: RefChange,
): Promise<void> {
  if (change.after === ZERO_SHA) {
    closeIssue(world, repository, issue, login);
    return;
  }
  issue.pull.headSha = change.after;
  issue.pull.baseSha = (await repository.git.branch(issue.pull.baseRef)) ?? issue.pull.baseSha;
  issue.updatedAt = world.now();
  await repository.git.git(['update-ref', `refs/pull/${issue.number}/head`, change.after]);
  sendPullHook(world, repository, issue, login, 'synchronize', { before: change.before, after: change.after });
}

/** A base that has come to hold the head merges the pull request, however that happened. */
function baseMoved(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  login: string,
  change: RefChange,
  arrived: ReadonlySet<string>,
): void {
  if (change.after === ZERO_SHA) closeIssue(world, repository, issue, login);
  else if (arrived.has(issue.pull.headSha)) markMerged(world, repository, issue, login, change.after);
}

/** Records a merge whose commit is in the base already. */
export function markMerged(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  login: string,
  mergeCommitSha: string,
): void {
  issue.pull.mergedAt = world.now();
  issue.pull.mergedBy = login;
  issue.pull.mergeCommitSha = mergeCommitSha;
  record(world, issue, login, { event: 'merged', commitId: mergeCommitSha });
  closeIssue(world, repository, issue, login);
  if (issue.pull.baseRef === repository.defaultBranch) closeByKeyword(world, repository, issue.body ?? '', login);
}

const KEYWORD = /\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:([\w.-]+\/[\w.-]+))?#(\d+)/gi;

function closeByKeyword(world: World, repository: RepositoryRecord, text: string, login: string): void {
  for (const [, fullName, number] of text.matchAll(KEYWORD)) {
    if (fullName && fullName.toLowerCase() !== repository.fullName.toLowerCase()) continue;
    const issue = repository.issues.get(Number(number));
    if (issue && !issue.pull) closeIssue(world, repository, issue, login);
  }
}

async function sendPushHook(
  world: World,
  repository: RepositoryRecord,
  login: string,
  change: RefChange,
): Promise<void> {
  const created = change.before === ZERO_SHA;
  const deleted = change.after === ZERO_SHA;
  const { git } = repository;
  const fresh = deleted
    ? []
    : await git.log(created ? [change.after, '--max-count=20'] : [`${change.before}..${change.after}`]);
  const commits = await Promise.all(
    fresh.slice(-20).map(async (commit) => {
      const parent = commit.parents[0];
      const changes = parent ? await git.changes(parent, commit.sha) : [];
      return pushCommitBody(world, repository, commit, changes);
    }),
  );
  const html = repositoryHtmlUrl(world, repository);
  const payload = {
    ref: change.ref,
    before: change.before,
    after: change.after,
    created,
    deleted,
    forced: !created && !deleted && !(await git.isAncestor(change.before, change.after)),
    base_ref: null,
    compare: `${html}/compare/${change.before.slice(0, 12)}...${change.after.slice(0, 12)}`,
    commits,
    head_commit: commits.at(-1) ?? null,
    pusher: { name: login, email: `${login}@users.noreply.github.com` },
    // Alone among the webhooks, push writes the repository's times as numbers.
    repository: {
      ...repositoryBody(world, repository),
      created_at: Math.floor(Date.parse(repository.createdAt) / 1000),
      pushed_at: Math.floor(Date.parse(repository.pushedAt) / 1000),
      owner: { ...userBody(world, repository.owner), name: repository.owner, email: null },
    },
  };
  world.deliver({ repository, event: 'push', action: null, sender: login, payload });
}
