import { checkRunHookBody, statusBody } from '../bodies/check.js';
import { commitBody } from '../bodies/commit.js';
import { shortBranchBody } from '../bodies/repository.js';
import type { CheckConclusion, CheckRunRecord, RepositoryRecord, StatusRecord } from '../model.js';
import { missingField, validationFailed } from '../problem.js';
import type { World } from '../world.js';

export interface CheckRunInput {
  readonly name?: string;
  readonly headSha?: string;
  readonly status?: CheckRunRecord['status'];
  readonly conclusion?: CheckConclusion | null;
  readonly detailsUrl?: string;
  readonly externalId?: string;
  readonly output?: { readonly title?: string | null; readonly summary?: string | null; readonly text?: string | null };
}

/** @throws GitHubProblem 422 without a name or for a commit that isn't there. */
export async function createCheckRun(
  world: World,
  repository: RepositoryRecord,
  actor: string,
  input: CheckRunInput,
  appId: number | null = null,
): Promise<CheckRunRecord> {
  if (!input.name) throw missingField('CheckRun', 'name');
  const sha = input.headSha ? await repository.git.resolve(input.headSha) : null;
  if (!sha) throw validationFailed({ resource: 'CheckRun', field: 'head_sha', code: 'invalid' });
  // Each app has a suite of its own on a commit.
  const suite = appId === null ? sha : `${sha} ${appId}`;
  const suiteId = repository.suites.get(suite) ?? world.nextId();
  repository.suites.set(suite, suiteId);
  const run: CheckRunRecord = {
    id: world.nextId(),
    suiteId,
    appId,
    name: input.name,
    headSha: sha,
    status: 'queued',
    conclusion: null,
    startedAt: world.now(),
    completedAt: null,
    detailsUrl: null,
    externalId: '',
    output: { title: null, summary: null, text: null },
  };
  repository.checkRuns.push(run);
  apply(world, run, input);
  await sendCheckRunHook(world, repository, run, actor, 'created');
  if (run.status === 'completed') await sendCheckRunHook(world, repository, run, actor, 'completed');
  return run;
}

export async function changeCheckRun(
  world: World,
  repository: RepositoryRecord,
  run: CheckRunRecord,
  actor: string,
  input: CheckRunInput,
): Promise<void> {
  const before = run.status;
  apply(world, run, input);
  // GitHub has no hook for "in progress": only created and completed are told.
  if (before !== 'completed' && run.status === 'completed') {
    await sendCheckRunHook(world, repository, run, actor, 'completed');
  }
}

function apply(world: World, run: CheckRunRecord, input: CheckRunInput): void {
  if (input.detailsUrl !== undefined) run.detailsUrl = input.detailsUrl;
  if (input.externalId !== undefined) run.externalId = input.externalId;
  if (input.output) {
    run.output = {
      title: input.output.title ?? run.output.title,
      summary: input.output.summary ?? run.output.summary,
      text: input.output.text ?? run.output.text,
    };
  }
  // A conclusion says by itself that the run is over.
  const status = input.conclusion ? 'completed' : input.status;
  if (status === undefined) return;
  if (status === 'completed' && !input.conclusion) throw missingField('CheckRun', 'conclusion');
  run.status = status;
  run.conclusion = input.conclusion ?? null;
  run.completedAt = status === 'completed' ? world.now() : null;
}

async function sendCheckRunHook(
  world: World,
  repository: RepositoryRecord,
  run: CheckRunRecord,
  sender: string,
  action: 'created' | 'completed',
): Promise<void> {
  const branch = await branchOf(repository, run.headSha);
  const payload = { action, check_run: checkRunHookBody(world, repository, run, branch) };
  world.deliver({ repository, event: 'check_run', action, sender, payload });
}

/** Of several check runs of one name and app on a commit the latest counts. */
export function latestCheckRuns(repository: RepositoryRecord, sha: string): CheckRunRecord[] {
  const latest = new Map<string, CheckRunRecord>();
  for (const run of repository.checkRuns) if (run.headSha === sha) latest.set(`${run.appId} ${run.name}`, run);
  return [...latest.values()].sort((a, b) => b.id - a.id);
}

/** @throws GitHubProblem 422 for a commit that isn't there. */
export async function createStatus(
  world: World,
  repository: RepositoryRecord,
  creator: string,
  input: { sha: string; state: StatusRecord['state']; context?: string; description?: string; targetUrl?: string },
): Promise<StatusRecord> {
  const sha = await repository.git.resolve(input.sha);
  if (!sha) throw validationFailed({ message: `No commit found for SHA: ${input.sha}` });
  const status: StatusRecord = {
    id: world.nextId(),
    sha,
    state: input.state,
    context: input.context ?? 'default',
    description: input.description ?? null,
    targetUrl: input.targetUrl ?? null,
    creator,
    createdAt: world.now(),
  };
  repository.statuses.push(status);
  const branch = await branchOf(repository, sha);
  const { url: _url, creator: _creator, node_id: _nodeId, ...shown } = statusBody(world, repository, status);
  const payload = {
    ...shown,
    sha,
    name: repository.fullName,
    commit: commitBody(world, repository, await repository.git.commit(sha)),
    branches: branch ? [shortBranchBody(world, repository, branch, sha)] : [],
  };
  world.deliver({ repository, event: 'status', action: null, sender: creator, payload });
  return status;
}

/** Of several statuses of one context on a commit the latest counts. */
export function latestStatuses(repository: RepositoryRecord, sha: string): StatusRecord[] {
  const latest = new Map<string, StatusRecord>();
  for (const status of repository.statuses) if (status.sha === sha) latest.set(status.context, status);
  return [...latest.values()];
}

export function combinedState(statuses: readonly StatusRecord[]): 'failure' | 'pending' | 'success' {
  if (statuses.some((status) => status.state === 'failure' || status.state === 'error')) return 'failure';
  return statuses.length === 0 || statuses.some((status) => status.state === 'pending') ? 'pending' : 'success';
}

async function branchOf(repository: RepositoryRecord, sha: string): Promise<string | null> {
  for (const [ref, tip] of await repository.git.refs()) {
    if (tip === sha && ref.startsWith('refs/heads/')) return ref.slice('refs/heads/'.length);
  }
  return null;
}
