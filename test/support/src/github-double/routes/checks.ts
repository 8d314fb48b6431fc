import {
  changeCheckRun,
  combinedState,
  createCheckRun,
  createStatus,
  latestCheckRuns,
  latestStatuses,
} from '../actions/checks.js';
import type { CheckRunInput } from '../actions/checks.js';
import { checkRunBody, checkSuiteBody, simpleStatusBody, statusBody } from '../bodies/check.js';
import { repositoryApiUrl, repositoryBody } from '../bodies/repository.js';
import type { CheckRunRecord, RepositoryRecord } from '../model.js';
import { notFound, validationFailed } from '../problem.js';
import { created, ok } from '../router.js';
import type { Answer, Call, Route } from '../router.js';
import { commitOf } from './repositories.js';

const REPO = '/repos/{owner}/{repo}';
const CHECK_RUN = `${REPO}/check-runs/{check_run_id}`;

/** Found before the routes of plain commits, whose pattern would take these paths too. */
export const checkRoutes: readonly Route[] = [
  { method: 'POST', template: `${REPO}/check-runs`, handle: postCheckRun },
  {
    method: 'GET',
    template: CHECK_RUN,
    handle: (call) => {
      const repository = call.readable();
      return ok(checkRunBody(call.world, repository, checkRun(call, repository)));
    },
  },
  { method: 'PATCH', template: CHECK_RUN, handle: patchCheckRun },
  { method: 'GET', template: `${REPO}/commits/{+ref}/check-runs`, handle: listCheckRuns },
  { method: 'GET', template: `${REPO}/commits/{+ref}/check-suites`, handle: listCheckSuites },
  { method: 'POST', template: `${REPO}/statuses/{sha}`, handle: postStatus },
  { method: 'GET', template: `${REPO}/commits/{+ref}/status`, handle: combinedStatus },
  { method: 'GET', template: `${REPO}/commits/{+ref}/statuses`, handle: listStatuses },
];

function checkRun(call: Call, repository: RepositoryRecord): CheckRunRecord {
  const id = call.number('check_run_id');
  const run = repository.checkRuns.find((candidate) => candidate.id === id);
  if (!run) throw notFound();
  return run;
}

function inputOf(call: Call): CheckRunInput {
  const output = call.body['output'] as CheckRunInput['output'];
  const conclusion = call.word('conclusion', [
    'success',
    'failure',
    'neutral',
    'cancelled',
    'skipped',
    'timed_out',
    'action_required',
  ]);
  const status = call.word('status', ['queued', 'in_progress', 'completed']);
  const entries = {
    name: call.text('name'),
    headSha: call.text('head_sha'),
    detailsUrl: call.text('details_url'),
    externalId: call.text('external_id'),
    status,
    conclusion,
    output: output && typeof output === 'object' ? output : undefined,
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as CheckRunInput;
}

async function postCheckRun(call: Call): Promise<Answer> {
  const repository = call.writable();
  const appId = call.token?.installation?.app.id ?? null;
  const run = await createCheckRun(call.world, repository, call.login(), inputOf(call), appId);
  return created(checkRunBody(call.world, repository, run));
}

async function patchCheckRun(call: Call): Promise<Answer> {
  const repository = call.writable();
  const run = checkRun(call, repository);
  await changeCheckRun(call.world, repository, run, call.login(), inputOf(call));
  return ok(checkRunBody(call.world, repository, run));
}

async function listCheckRuns(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = await commitOf(repository, call.param('ref'));
  const all = repository.checkRuns.filter((run) => run.headSha === sha).reverse();
  const name = call.query('check_name');
  const status = call.query('status');
  const runs = (call.query('filter') === 'all' ? all : latestCheckRuns(repository, sha)).filter(
    (run) => (name === undefined || run.name === name) && (status === undefined || run.status === status),
  );
  return call.page(
    runs,
    (run) => checkRunBody(call.world, repository, run),
    (page) => ({ total_count: runs.length, check_runs: page }),
  );
}

async function listCheckSuites(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = await commitOf(repository, call.param('ref'));
  const id = repository.suites.get(sha);
  const commit = await repository.git.commit(sha);
  const headCommit = {
    id: sha,
    tree_id: commit.tree,
    message: commit.message,
    timestamp: commit.committer.date,
    author: { name: commit.author.name, email: commit.author.email },
    committer: { name: commit.committer.name, email: commit.committer.email },
  };
  const suites = id === undefined ? [] : [id];
  return call.page(
    suites,
    (suite) =>
      checkSuiteBody(call.world, repository, {
        id: suite,
        sha,
        headCommit,
        repositoryBody: repositoryBody(call.world, repository),
      }),
    (page) => ({ total_count: suites.length, check_suites: page }),
  );
}

async function postStatus(call: Call): Promise<Answer> {
  const repository = call.writable();
  const state = call.word('state', ['error', 'failure', 'pending', 'success']);
  if (!state) throw validationFailed({ resource: 'Status', field: 'state', code: 'missing_field' });
  const context = call.text('context');
  const description = call.text('description');
  const targetUrl = call.text('target_url');
  const status = await createStatus(call.world, repository, call.login(), {
    sha: call.param('sha'),
    state,
    ...(context === undefined ? {} : { context }),
    ...(description === undefined ? {} : { description }),
    ...(targetUrl === undefined ? {} : { targetUrl }),
  });
  return created(statusBody(call.world, repository, status));
}

async function combinedStatus(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = await commitOf(repository, call.param('ref'));
  const statuses = latestStatuses(repository, sha);
  const api = repositoryApiUrl(call.world, repository);
  return call.page(
    statuses,
    (status) => simpleStatusBody(call.world, repository, status),
    (page) => ({
      state: combinedState(statuses),
      statuses: page,
      sha,
      total_count: statuses.length,
      repository: repositoryBody(call.world, repository),
      commit_url: `${api}/commits/${sha}`,
      url: `${api}/commits/${sha}/status`,
    }),
  );
}

async function listStatuses(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = await commitOf(repository, call.param('ref'));
  const statuses = repository.statuses.filter((status) => status.sha === sha).reverse();
  return call.page(statuses, (status) => statusBody(call.world, repository, status));
}
