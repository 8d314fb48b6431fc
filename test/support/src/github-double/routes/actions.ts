import { latestCheckRuns } from '../actions/checks.js';
import { suiteState } from '../bodies/check.js';
import { nodeId } from '../bodies/user.js';
import type { Body } from '../bodies/user.js';
import { repositoryApiUrl, repositoryBody, repositoryHtmlUrl } from '../bodies/repository.js';
import type { CheckRunRecord, RepositoryRecord } from '../model.js';
import { notFound } from '../problem.js';
import type { Answer, Call, Route } from '../router.js';

const RUNS = '/repos/{owner}/{repo}/actions/runs';
/** Check runs with this external id are of another app: GitHub Actions has nothing of them. */
const ANOTHERS = 'another-app';

/** Check runs as GitHub Actions tells of them: a suite is a workflow run, a check run is a job of it. */
export const actionsRoutes: readonly Route[] = [
  { method: 'GET', template: RUNS, handle: listRuns },
  { method: 'GET', template: `${RUNS}/{run_id}/jobs`, handle: listJobs },
];

const isOfActions = ({ appId, externalId }: CheckRunRecord): boolean => appId === null && externalId !== ANOTHERS;

async function listRuns(call: Call): Promise<Answer> {
  const repository = call.readable();
  const sha = call.query('head_sha');
  const ofActions = repository.checkRuns.filter((run) => isOfActions(run) && (!sha || run.headSha === sha));
  const suites = [...new Map(ofActions.map((run) => [run.suiteId, run.headSha]))].reverse();
  const bodies = await Promise.all(suites.map(([id, headSha]) => runBody(call, repository, id, headSha)));
  return call.page(
    bodies,
    (body) => body,
    (page) => ({ total_count: bodies.length, workflow_runs: page }),
  );
}

/** The jobs of a workflow run: of each name the latest. */
function jobsOf(repository: RepositoryRecord, id: number): readonly CheckRunRecord[] {
  const all = repository.checkRuns.filter((run) => run.suiteId === id && isOfActions(run));
  const latest = new Set(all.length === 0 ? [] : latestCheckRuns(repository, all[0]!.headSha));
  return all.filter((run) => latest.has(run));
}

function listJobs(call: Call): Answer {
  const repository = call.readable();
  const jobs = jobsOf(repository, call.number('run_id'));
  if (jobs.length === 0) throw notFound();
  return call.page(
    jobs,
    (run) => jobBody(call, repository, run),
    (page) => ({ total_count: jobs.length, jobs: page }),
  );
}

async function runBody(call: Call, repository: RepositoryRecord, id: number, sha: string): Promise<Body> {
  const { world } = call;
  const api = `${repositoryApiUrl(world, repository)}/actions/runs/${id}`;
  const runs = jobsOf(repository, id);
  const commit = await repository.git.commit(sha);
  const startedAt = runs[0]?.startedAt ?? repository.pushedAt;
  return {
    ...{
      id,
      name: 'CI',
      node_id: nodeId('WorkflowRun', id),
      display_title: commit.message,
      run_number: 1,
      run_attempt: 1,
    },
    ...{ check_suite_id: id, check_suite_node_id: nodeId('CheckSuite', id), head_sha: sha, head_branch: null },
    ...{ path: '.github/workflows/ci.yml', event: 'push', workflow_id: 1, ...suiteState(runs), pull_requests: [] },
    ...{ created_at: startedAt, updated_at: runs.at(-1)?.completedAt ?? startedAt, run_started_at: startedAt },
    ...{ url: api, html_url: `${repositoryHtmlUrl(world, repository)}/actions/runs/${id}`, previous_attempt_url: null },
    ...{ jobs_url: `${api}/jobs`, logs_url: `${api}/logs`, artifacts_url: `${api}/artifacts` },
    ...{ cancel_url: `${api}/cancel`, rerun_url: `${api}/rerun` },
    check_suite_url: `${repositoryApiUrl(world, repository)}/check-suites/${id}`,
    workflow_url: `${repositoryApiUrl(world, repository)}/actions/workflows/1`,
    head_commit: {
      ...{ id: sha, tree_id: commit.tree, message: commit.message, timestamp: commit.committer.date },
      author: { name: commit.author.name, email: commit.author.email },
      committer: { name: commit.committer.name, email: commit.committer.email },
    },
    repository: repositoryBody(world, repository),
    head_repository: repositoryBody(world, repository),
  };
}

function jobBody({ world }: Call, repository: RepositoryRecord, run: CheckRunRecord): Body {
  const api = repositoryApiUrl(world, repository);
  const startedAt = run.startedAt ?? repository.pushedAt;
  return {
    ...{ id: run.id, node_id: nodeId('CheckRun', run.id), name: run.name, workflow_name: 'CI', run_id: run.suiteId },
    ...{ status: run.status, conclusion: run.conclusion, head_sha: run.headSha, head_branch: null, run_attempt: 1 },
    ...{ created_at: startedAt, started_at: startedAt, completed_at: run.completedAt },
    ...{ url: `${api}/actions/jobs/${run.id}`, run_url: `${api}/actions/runs/${run.suiteId}` },
    html_url: `${repositoryHtmlUrl(world, repository)}/actions/runs/${run.suiteId}/job/${run.id}`,
    check_run_url: `${api}/check-runs/${run.id}`,
    ...{ labels: [], runner_id: 1, runner_name: 'runner', runner_group_id: 1, runner_group_name: 'Default' },
    steps:
      run.status === 'completed'
        ? [{ name: `Run ${run.name}`, status: 'completed', conclusion: run.conclusion, number: 1 }]
        : [],
  };
}
