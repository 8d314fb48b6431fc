import { appBody } from '../apps/app-bodies.js';
import type { CheckRunRecord, RepositoryRecord, StatusRecord } from '../model.js';
import type { World } from '../world.js';
import { repositoryApiUrl, repositoryHtmlUrl } from './repository.js';
import { nodeId, userBody } from './user.js';
import type { Body } from './user.js';

const APP_ID = 15368;

function reporterBody(world: World, appId: number | null): Body {
  const app = world.apps.apps.find(({ id }) => id === appId);
  if (app) return appBody(world, app);

  return {
    id: APP_ID,
    slug: 'demo-ci',
    node_id: nodeId('App', APP_ID),
    owner: userBody(world, 'demo-ci'),
    name: 'Demo CI',
    description: null,
    external_url: `${world.url}/apps/demo-ci`,
    html_url: `${world.url}/apps/demo-ci`,
    created_at: '2020-01-01T00:00:00Z',
    updated_at: '2020-01-01T00:00:00Z',
    permissions: { checks: 'write', metadata: 'read' },
    events: [],
  };
}

/** Open pull requests whose head is this commit, in the short form that checks carry. */
function pullRequestsOf(world: World, repository: RepositoryRecord, sha: string): Body[] {
  const api = repositoryApiUrl(world, repository);
  const repo = { id: repository.id, url: api, name: repository.name };
  return world
    .pulls(repository)
    .filter((issue) => issue.state === 'open' && issue.pull.headSha === sha)
    .map((issue) => ({
      id: issue.id,
      number: issue.number,
      url: `${api}/pulls/${issue.number}`,
      head: { ref: issue.pull.headRef, sha, repo },
      base: { ref: issue.pull.baseRef, sha: issue.pull.baseSha, repo },
    }));
}

export function checkRunBody(world: World, repository: RepositoryRecord, run: CheckRunRecord): Body {
  const url = `${repositoryApiUrl(world, repository)}/check-runs/${run.id}`;
  const html = `${repositoryHtmlUrl(world, repository)}/runs/${run.id}`;
  return {
    id: run.id,
    name: run.name,
    node_id: nodeId('CheckRun', run.id),
    head_sha: run.headSha,
    external_id: run.externalId,
    url,
    html_url: html,
    details_url: run.detailsUrl ?? html,
    status: run.status,
    conclusion: run.conclusion,
    started_at: run.startedAt,
    completed_at: run.completedAt,
    output: { ...run.output, annotations_count: 0, annotations_url: `${url}/annotations` },
    check_suite: { id: run.suiteId },
    app: reporterBody(world, run.appId),
    pull_requests: pullRequestsOf(world, repository, run.headSha),
  };
}

/** The suite is derived: it is as far as its least finished run, and as bad as its worst. */
export function suiteState(runs: readonly CheckRunRecord[]): Pick<CheckRunRecord, 'status' | 'conclusion'> {
  if (runs.length === 0 || runs.every((run) => run.status === 'queued')) return { status: 'queued', conclusion: null };
  if (runs.some((run) => run.status !== 'completed')) return { status: 'in_progress', conclusion: null };
  const bad = runs.find((run) => !['success', 'neutral', 'skipped'].includes(run.conclusion ?? ''));
  return { status: 'completed', conclusion: bad ? bad.conclusion : 'success' };
}

/** The check run as its webhook shows it: with more of its suite. */
export function checkRunHookBody(
  world: World,
  repository: RepositoryRecord,
  run: CheckRunRecord,
  branch: string | null,
): Body {
  const runs = repository.checkRuns.filter((other) => other.suiteId === run.suiteId);
  const state = suiteState(runs);
  return {
    ...checkRunBody(world, repository, run),
    check_suite: {
      id: run.suiteId,
      node_id: nodeId('CheckSuite', run.suiteId),
      head_branch: branch,
      head_sha: run.headSha,
      status: state.status,
      conclusion: state.conclusion,
      url: `${repositoryApiUrl(world, repository)}/check-suites/${run.suiteId}`,
      before: null,
      after: run.headSha,
      app: reporterBody(world, run.appId),
      created_at: run.startedAt ?? world.now(),
      updated_at: world.now(),
      pull_requests: pullRequestsOf(world, repository, run.headSha),
    },
  };
}

export function checkSuiteBody(
  world: World,
  repository: RepositoryRecord,
  suite: { id: number; sha: string; headCommit: Body; repositoryBody: Body },
): Body {
  const runs = repository.checkRuns.filter((run) => run.suiteId === suite.id);
  const url = `${repositoryApiUrl(world, repository)}/check-suites/${suite.id}`;
  const created = runs[0]?.startedAt ?? repository.pushedAt;
  return {
    id: suite.id,
    node_id: nodeId('CheckSuite', suite.id),
    head_branch: null,
    head_sha: suite.sha,
    ...suiteState(runs),
    url,
    before: null,
    after: suite.sha,
    app: reporterBody(world, runs[0]?.appId ?? null),
    created_at: created,
    updated_at: runs.at(-1)?.completedAt ?? created,
    head_commit: suite.headCommit,
    repository: suite.repositoryBody,
    latest_check_runs_count: runs.length,
    check_runs_url: `${url}/check-runs`,
    pull_requests: pullRequestsOf(world, repository, suite.sha),
  };
}

export function statusBody(world: World, repository: RepositoryRecord, status: StatusRecord): Body {
  return { ...simpleStatusBody(world, repository, status), creator: userBody(world, status.creator) };
}

export function simpleStatusBody(world: World, repository: RepositoryRecord, status: StatusRecord): Body {
  return {
    url: `${repositoryApiUrl(world, repository)}/statuses/${status.sha}`,
    avatar_url: `${world.url}/avatars/${world.user(status.creator).id}`,
    id: status.id,
    node_id: nodeId('Status', status.id),
    state: status.state,
    description: status.description,
    target_url: status.targetUrl,
    context: status.context,
    created_at: status.createdAt,
    updated_at: status.createdAt,
  };
}
