import { branchBody, fullRepositoryBody, refBody, ruleBodies, shortBranchBody } from '../bodies/repository.js';
import { commitBody, fileBody } from '../bodies/commit.js';
import { refsMoved } from '../actions/pushes.js';
import { ZERO_SHA } from '../git/bare-repository.js';
import type { RepositoryRecord } from '../model.js';
import { GitHubProblem, notAccessible, notFound } from '../problem.js';
import { noContent, ok } from '../router.js';
import type { Answer, Call, Route } from '../router.js';

const REPO = '/repos/{owner}/{repo}';

export const repositoryRoutes: readonly Route[] = [
  {
    method: 'GET',
    template: REPO,
    handle: (call) => ok(fullRepositoryBody(call.world, call.readable(), call.token)),
  },
  { method: 'GET', template: `${REPO}/branches`, handle: listBranches },
  {
    method: 'GET',
    template: `${REPO}/branches/{+branch}/protection`,
    // Reading it needs "administration", which the double's tokens never have.
    handle: async (call) => {
      await existingBranch(call, call.readable());
      throw notAccessible();
    },
  },
  { method: 'GET', template: `${REPO}/branches/{+branch}`, handle: getBranch },
  {
    method: 'GET',
    template: `${REPO}/rules/branches/{+branch}`,
    handle: (call) => {
      const repository = call.readable();
      return call.page(ruleBodies(repository, repository.rules.get(call.param('branch'))), (rule) => rule);
    },
  },
  { method: 'GET', template: `${REPO}/git/ref/{+ref}`, handle: getRef },
  { method: 'DELETE', template: `${REPO}/git/refs/{+ref}`, handle: deleteRef },
  { method: 'GET', template: `${REPO}/commits`, handle: listCommits },
  { method: 'GET', template: `${REPO}/commits/{+ref}`, handle: getCommit },
  { method: 'GET', template: `${REPO}/compare/{+basehead}`, handle: compare },
];

async function existingBranch(call: Call, repository: RepositoryRecord): Promise<string> {
  const sha = await repository.git.branch(call.param('branch'));
  if (!sha) throw new GitHubProblem(404, 'Branch not found');
  return sha;
}

async function listBranches(call: Call): Promise<Answer> {
  const repository = call.readable();
  const prefix = 'refs/heads/';
  const branches = [...(await repository.git.refs())].filter(([ref]) => ref.startsWith(prefix));
  const wanted = call.query('protected');
  const shown = branches.filter(
    ([ref]) => wanted === undefined || (wanted === 'true') === repository.rules.has(ref.slice(prefix.length)),
  );
  return call.page(shown, ([ref, sha]) => shortBranchBody(call.world, repository, ref.slice(prefix.length), sha));
}

async function getBranch(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = await existingBranch(call, repository);
  const commit = commitBody(call.world, repository, await repository.git.commit(sha));
  return ok(branchBody(call.world, repository, call.param('branch'), commit));
}

async function getRef(call: Call): Promise<Answer> {
  const repository = call.readable();
  const ref = `refs/${call.param('ref')}`;
  const sha = (await repository.git.refs()).get(ref);
  if (!sha) throw notFound();
  return ok(refBody(call.world, repository, ref, sha));
}

async function deleteRef(call: Call): Promise<Answer> {
  const repository = call.writable();
  const ref = `refs/${call.param('ref')}`;
  return repository.git.exclusively(async () => {
    const before = (await repository.git.refs()).get(ref);
    if (!before) throw new GitHubProblem(422, 'Reference does not exist');
    await repository.git.updateRef(ref, ZERO_SHA, before);
    await refsMoved(call.world, repository, call.login(), [{ ref, before, after: ZERO_SHA }]);
    return noContent();
  });
}

/** A commit by branch, tag or SHA. @throws GitHubProblem 422 as GitHub words it. */
export async function commitOf(repository: RepositoryRecord, ref: string): Promise<string> {
  const sha = await repository.git.resolve(ref.replace(/^heads\//, ''));
  if (!sha) throw new GitHubProblem(422, `No commit found for SHA: ${ref}`);
  return sha;
}

async function listCommits(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = await commitOf(repository, call.query('sha') ?? repository.defaultBranch);
  const commits = (await repository.git.log([sha], 10_000)).reverse();
  return call.page(commits, (commit) => commitBody(call.world, repository, commit));
}

async function getCommit(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = await commitOf(repository, call.param('ref'));
  const commit = await repository.git.commit(sha);
  const changes = commit.parents[0] ? await repository.git.changes(commit.parents[0], sha) : [];
  const additions = changes.reduce((sum, change) => sum + change.additions, 0);
  const deletions = changes.reduce((sum, change) => sum + change.deletions, 0);
  return ok({
    ...commitBody(call.world, repository, commit),
    stats: { additions, deletions, total: additions + deletions },
    files: changes.map((change) => fileBody(call.world, repository, sha, change)),
  });
}

async function compare(call: Call): Promise<Answer> {
  const repository = call.readable();
  const { git } = repository;
  const [baseName = '', headName = ''] = call.param('basehead').split('...');
  const [base, head] = await Promise.all([git.resolve(baseName), git.resolve(headName)]);
  if (!base || !head) throw notFound();
  const mergeBase = await git.mergeBase(base, head);
  if (!mergeBase) throw new GitHubProblem(404, `No common ancestor between ${baseName} and ${headName}.`);
  const { ahead, behind } = await git.aheadBehind(base, head);
  const [commits, changes, baseCommit, mergeBaseCommit] = await Promise.all([
    git.log([`${base}..${head}`]),
    git.changes(mergeBase, head),
    git.commit(base),
    git.commit(mergeBase),
  ]);
  const span = `${encodeURIComponent(baseName)}...${encodeURIComponent(headName)}`;
  const html = `${call.world.url}/${repository.fullName}/compare/${span}`;
  return ok({
    url: `${call.world.apiUrl}/repos/${repository.fullName}/compare/${span}`,
    html_url: html,
    permalink_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    base_commit: commitBody(call.world, repository, baseCommit),
    merge_base_commit: commitBody(call.world, repository, mergeBaseCommit),
    status: ahead && behind ? 'diverged' : ahead ? 'ahead' : behind ? 'behind' : 'identical',
    ahead_by: ahead,
    behind_by: behind,
    total_commits: ahead,
    commits: commits.map((commit) => commitBody(call.world, repository, commit)),
    files: changes.map((change) => fileBody(call.world, repository, head, change)),
  });
}
