import { changeIssue } from '../actions/issues.js';
import { mergePull } from '../actions/merging.js';
import { openPull, pullChanges, readPull, reopenPull } from '../actions/pull-requests.js';
import { submitReview } from '../actions/reviews.js';
import { commitBody, fileBody } from '../bodies/commit.js';
import { reviewBody, simplePullBody } from '../bodies/pull-request.js';
import type { PullIssue } from '../model.js';
import { GitHubProblem, notFound, validationFailed } from '../problem.js';
import { created, noContent, ok } from '../router.js';
import type { Answer, Call, Route } from '../router.js';

const PULLS = '/repos/{owner}/{repo}/pulls';
const PULL = `${PULLS}/{pull_number}`;

export const pullRequestRoutes: readonly Route[] = [
  { method: 'GET', template: PULLS, handle: listPulls },
  { method: 'POST', template: PULLS, handle: createPull },
  { method: 'GET', template: PULL, handle: getPull },
  { method: 'PATCH', template: PULL, handle: patchPull },
  { method: 'GET', template: `${PULL}/files`, handle: listFiles },
  { method: 'GET', template: `${PULL}/commits`, handle: listCommits },
  { method: 'PUT', template: `${PULL}/merge`, handle: merge },
  {
    method: 'GET',
    template: `${PULL}/merge`,
    handle: (call) => {
      if (call.pull(call.readable()).pull.mergedAt === null) throw notFound();
      return noContent();
    },
  },
  { method: 'GET', template: `${PULL}/reviews`, handle: listReviews },
  { method: 'POST', template: `${PULL}/reviews`, handle: createReview },
  { method: 'GET', template: `${PULL}/comments`, handle: (call) => (call.pull(call.readable()), ok([])) },
];

function listPulls(call: Call): Answer {
  const repository = call.readable();
  const state = call.query('state') ?? 'open';
  const head = call.query('head');
  const base = call.query('base');
  const key = call.query('sort') === 'updated' ? 'updatedAt' : 'createdAt';
  const sign = (call.query('direction') ?? (call.query('sort') ? 'asc' : 'desc')) === 'asc' ? 1 : -1;
  const matching = call.world
    .pulls(repository)
    .filter((issue) => state === 'all' || issue.state === state)
    // GitHub ignores a head without an owner.
    .filter((issue) => !head?.includes(':') || head === `${repository.owner}:${issue.pull.headRef}`)
    .filter((issue) => base === undefined || issue.pull.baseRef === base)
    .sort((a, b) => sign * (a[key].localeCompare(b[key]) || a.number - b.number));
  return call.page(matching, (issue) => simplePullBody(call.world, repository, issue));
}

async function createPull(call: Call): Promise<Answer> {
  const repository = call.writable();
  const issue = await openPull(call.world, repository, call.login(), {
    title: call.text('title') ?? '',
    body: call.text('body') ?? null,
    head: call.text('head') ?? '',
    base: call.text('base') ?? '',
    draft: call.body['draft'] === true,
  });
  return created(await readPull(call.world, repository, issue));
}

async function getPull(call: Call): Promise<Answer> {
  const repository = call.readable();
  const issue = call.pull(repository);
  if (/\.(diff|patch)\b/.test(call.accept)) {
    const { baseSha, headSha } = issue.pull;
    const text = call.accept.includes('.diff')
      ? await repository.git.git(['diff', `${baseSha}...${headSha}`])
      : await repository.git.git(['format-patch', '--stdout', `${baseSha}..${headSha}`]);
    return ok(text, {
      'content-type': `${/application\/[\w.+-]+/.exec(call.accept)?.[0] ?? 'text/plain'}; charset=utf-8`,
    });
  }
  return ok(await readPull(call.world, repository, issue));
}

async function patchPull(call: Call): Promise<Answer> {
  const repository = call.writable();
  const issue = call.pull(repository);
  const base = call.text('base');
  if (base !== undefined && base !== issue.pull.baseRef) {
    const baseSha = await repository.git.branch(base);
    if (!baseSha) throw validationFailed({ resource: 'PullRequest', field: 'base', code: 'invalid' });
    issue.pull.baseRef = base;
    issue.pull.baseSha = baseSha;
    issue.updatedAt = call.world.now();
  }
  const state = call.word('state', ['open', 'closed']);
  const title = call.text('title');
  if (state === 'open') await reopenPull(call.world, repository, issue, call.login());
  changeIssue(call.world, repository, issue, call.login(), {
    ...(title === undefined ? {} : { title }),
    ...('body' in call.body ? { body: call.text('body') ?? null } : {}),
    ...(state === 'closed' ? { state } : {}),
  });
  return ok(await readPull(call.world, repository, issue));
}

async function listFiles(call: Call): Promise<Answer> {
  const repository = call.readable();
  const issue = call.pull(repository);
  const changes = await pullChanges(repository, issue);
  return call.page(changes, (change) => fileBody(call.world, repository, issue.pull.headSha, change));
}

async function listCommits(call: Call): Promise<Answer> {
  const repository = call.readable();
  const { pull } = call.pull(repository);
  const commits = await repository.git.log([`${pull.baseSha}..${pull.headSha}`]);
  return call.page(commits, (commit) => commitBody(call.world, repository, commit));
}

async function merge(call: Call): Promise<Answer> {
  const repository = call.writable();
  const method = call.word('merge_method', ['merge', 'squash', 'rebase']);
  const sha = call.text('sha');
  const title = call.text('commit_title');
  const message = call.text('commit_message');
  const tip = await mergePull(call.world, repository, call.pull(repository), call.login(), {
    ...(method ? { method } : {}),
    ...(sha === undefined ? {} : { sha }),
    ...(title === undefined ? {} : { title }),
    ...(message === undefined ? {} : { message }),
  });
  return ok({ sha: tip, merged: true, message: 'Pull Request successfully merged' });
}

function listReviews(call: Call): Answer {
  const repository = call.readable();
  const issue: PullIssue = call.pull(repository);
  return call.page(issue.pull.reviews, (review) => reviewBody(call.world, repository, issue, review));
}

function createReview(call: Call): Answer {
  const repository = call.writable();
  const issue = call.pull(repository);
  const event = call.word('event', ['APPROVE', 'REQUEST_CHANGES', 'COMMENT']);
  // Without an event GitHub keeps a pending review, which the double doesn't imitate.
  if (!event) throw new GitHubProblem(422, 'Unprocessable Entity', ['Pending reviews are not imitated: give an event']);
  const body = call.text('body');
  const commitId = call.text('commit_id');
  const review = submitReview(call.world, repository, issue, call.login(), {
    event,
    ...(body === undefined ? {} : { body }),
    ...(commitId === undefined ? {} : { commitId }),
  });
  return ok(reviewBody(call.world, repository, issue, review));
}
