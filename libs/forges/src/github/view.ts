import { UserError } from '@capstan/domain';
import type { RestEndpointMethodTypes } from '@octokit/rest';
import type {
  ForgeCheck,
  ForgeConnection,
  ForgePullRequest,
  ForgeReview,
  PullRequestView,
  Readable,
} from '../forge.port.js';
import { actionsJobs } from './actions-jobs.js';
import { foldChecks, type CheckRun, type CommitStatus, type RequiredCheck } from './checks.js';
import { ownerAndName, type GitHubClient } from './client.js';
import { countingReviews } from './reviews.js';

type PullRequest = RestEndpointMethodTypes['pulls']['get']['response']['data'];
type ListedPullRequest = RestEndpointMethodTypes['pulls']['list']['response']['data'][number];

/** What every read of one view needs. */
interface Reader {
  readonly client: GitHubClient;
  readonly owner: string;
  readonly repo: string;
  readonly fullName: string;
  readonly signal: AbortSignal | undefined;
}

/** Errors that make one part of a view unreadable, and not the whole. */
const UNREADABLE = new Set(['permission_missing', 'remote_not_found', 'forge_refused', 'too_much']);

/** Reads a pull request and what was said about its head: six reads (seven once it is closed), all answered 304 while nothing changed. */
export async function viewPullRequest(
  client: GitHubClient,
  { fullName, ownAppIds = [] }: ForgeConnection,
  number: number,
  signal: AbortSignal | undefined,
): Promise<PullRequestView> {
  const reader: Reader = { client, ...ownerAndName(fullName), fullName, signal };
  // First: what comes in while the others are read raises `updated_at` above the one that is known then.
  const data = await readPullRequest(client, { fullName, number }, signal);
  const [{ runs, partial }, statuses, reviews, required, closer] = await Promise.all([
    runsOf(reader, data.head.sha),
    readable(commitStatuses(reader, data.head.sha)),
    readable(reviewsOf(reader, number)),
    readable(requiredChecks(reader, data.base.ref)),
    readable(closedBy(reader, data)),
  ]);
  return {
    pullRequest: { ...pullRequestOf(data), closedBy: closer.known ? closer.value : null },
    reviews,
    ...(partial
      ? partlySeen(folded(runs, statuses, anyApp(required), ownAppIds), data.mergeable_state)
      : folded(runs, statuses, required, ownAppIds)),
  };
}

/** Check runs; where they may not be read, those of GitHub Actions by another way (`partial`). */
async function runsOf(
  reader: Reader,
  sha: string,
): Promise<{ readonly runs: Readable<readonly CheckRun[]>; readonly partial: boolean }> {
  const runs = await readable(checkRuns(reader, sha));
  if (runs.known) return { runs, partial: false };
  const jobs = await readable(actionsJobs(reader, sha));
  return jobs.known ? { runs: jobs, partial: true } : { runs, partial: false };
}

/** A job doesn't say whose it is; who else might have reported is not seen at all. */
function anyApp(required: Readable<readonly RequiredCheck[]>): Readable<readonly RequiredCheck[]> {
  return required.known ? { known: true, value: required.value.map(({ name }) => ({ name, appId: null })) } : required;
}

/**
 * What other apps report isn't seen, but GitHub counts it: `clean` only where everything has succeeded. `unstable` without
 * a cause in sight means that something unseen has not: it is waited for, whatever it is.
 */
function partlySeen(
  seen: Pick<PullRequestView, 'checks' | 'missingRequired'>,
  state: string,
): Pick<PullRequestView, 'checks' | 'missingRequired'> {
  const { checks, missingRequired } = seen;
  if (!checks.known || !missingRequired.known) return seen;
  if (state === 'clean' || state === 'has_hooks') return { checks, missingRequired: { known: true, value: [] } };
  const isExplained = checks.value.some((check) => check.state === 'pending' || check.state === 'failure');
  if (state !== 'unstable' || isExplained) return seen;
  const unseen: ForgeCheck = {
    name: 'checks that the token may not see',
    source: 'check_run',
    state: 'pending',
    required: false,
    url: null,
    summary: null,
  };
  return { checks: { known: true, value: [...checks.value, unseen] }, missingRequired };
}

export async function readPullRequest(
  client: GitHubClient,
  { fullName, number }: { readonly fullName: string; readonly number: number },
  signal: AbortSignal | undefined,
): Promise<PullRequest> {
  const { data } = await client.call(`read pull request ${fullName}#${number}`, signal, (rest, request) =>
    rest.pulls.get({ ...ownerAndName(fullName), pull_number: number, request }),
  );
  return data;
}

function folded(
  runs: Readable<readonly CheckRun[]>,
  statuses: Readable<readonly CommitStatus[]>,
  required: Readable<readonly RequiredCheck[]>,
  ownAppIds: readonly number[],
): Pick<PullRequestView, 'checks' | 'missingRequired'> {
  if (!runs.known || !statuses.known) {
    const reason = [runs, statuses].flatMap((part) => (part.known ? [] : [part.reason])).join('; ');
    return { checks: { known: false, reason }, missingRequired: { known: false, reason } };
  }
  const demanded = required.known ? required.value : [];
  // A rule may demand Capstan's own report; it is there then, and still says nothing of the code.
  const { missing } = foldChecks(runs.value, statuses.value, demanded);
  const others = runs.value.filter(({ appId }) => appId === null || !ownAppIds.includes(appId));
  return {
    checks: { known: true, value: foldChecks(others, statuses.value, demanded).checks },
    missingRequired: required.known ? { known: true, value: missing } : required,
  };
}

async function readable<T>(reading: Promise<T>): Promise<Readable<T>> {
  try {
    return { known: true, value: await reading };
  } catch (error) {
    if (!(error instanceof UserError) || !UNREADABLE.has(error.code)) throw error;
    return { known: false, reason: [error.message, error.remedy].filter(Boolean).join('. ') };
  }
}

async function checkRuns({ client, owner, repo, fullName, signal }: Reader, ref: string): Promise<readonly CheckRun[]> {
  const runs = await client.pages(`read the check runs of ${fullName}@${ref}`, signal, async (rest, page) => {
    const { data, headers } = await rest.checks.listForRef({ owner, repo, ref, filter: 'latest', ...page });
    return { data: data.check_runs, headers };
  });
  return runs.map((run) => ({
    id: run.id,
    name: run.name,
    status: run.status,
    conclusion: run.conclusion,
    appId: run.app?.id ?? null,
    suiteId: run.check_suite?.id ?? null,
    url: run.details_url ?? run.html_url,
    output: [run.output.title, run.output.summary, run.output.text],
  }));
}

async function commitStatuses(
  { client, owner, repo, fullName, signal }: Reader,
  ref: string,
): Promise<readonly CommitStatus[]> {
  const statuses = await client.pages(`read the statuses of ${fullName}@${ref}`, signal, async (rest, page) => {
    const { data, headers } = await rest.repos.getCombinedStatusForRef({ owner, repo, ref, ...page });
    return { data: data.statuses, headers };
  });
  return statuses.map(({ context, state, description, target_url: url }) => ({ context, state, description, url }));
}

async function reviewsOf(
  { client, owner, repo, fullName, signal }: Reader,
  number: number,
): Promise<readonly ForgeReview[]> {
  const reviews = await client.pages(`read the reviews of ${fullName}#${number}`, signal, (rest, page) =>
    rest.pulls.listReviews({ owner, repo, pull_number: number, ...page }),
  );
  return countingReviews(reviews);
}

/** What rules and classic protection demand together. */
async function requiredChecks(reader: Reader, branch: string): Promise<readonly RequiredCheck[]> {
  const [byRules, byProtection] = await Promise.all([
    checksOfRules(reader, branch),
    checksOfProtection(reader, branch),
  ]);
  return [...byRules, ...byProtection];
}

async function checksOfRules(
  { client, owner, repo, fullName, signal }: Reader,
  branch: string,
): Promise<readonly RequiredCheck[]> {
  try {
    const rules = await client.pages(`read the rules of ${fullName}:${branch}`, signal, (rest, page) =>
      rest.repos.getBranchRules({ owner, repo, branch, ...page }),
    );
    return rules.flatMap((rule) =>
      rule.type === 'required_status_checks'
        ? (rule.parameters?.required_status_checks ?? []).map(({ context, integration_id: appId }) => ({
            name: context,
            appId: appId ?? null,
          }))
        : [],
    );
  } catch (error) {
    // A plan without rules refuses to list them: there are none then. GitHub has only words for it.
    if (error instanceof UserError && /upgrade to github/i.test(error.message)) return [];
    throw error;
  }
}

async function checksOfProtection(
  { client, owner, repo, fullName, signal }: Reader,
  branch: string,
): Promise<readonly RequiredCheck[]> {
  const { data } = await client.call(`read the branch ${fullName}:${branch}`, signal, (rest, request) =>
    rest.repos.getBranch({ owner, repo, branch, request }),
  );
  const demanded = data.protection?.required_status_checks;
  if (!demanded || demanded.enforcement_level === 'off') return [];
  const checks = (demanded.checks ?? []).map((check) => ({
    name: check.context,
    appId: check.app_id === null || check.app_id < 0 ? null : check.app_id,
  }));
  const named = new Set(checks.map(({ name }) => name));
  const contexts = demanded.contexts.filter((context) => !named.has(context));
  return [...checks, ...contexts.map((name) => ({ name, appId: null }))];
}

/** Who merged or closed it. A pull request names only who merged it; its issue names who closed it. */
async function closedBy({ client, owner, repo, fullName, signal }: Reader, data: PullRequest): Promise<string | null> {
  if (data.state === 'open') return null;
  if (data.merged_by) return data.merged_by.login;
  const issue = await client.call(`read who closed ${fullName}#${data.number}`, signal, (rest, request) =>
    rest.issues.get({ owner, repo, issue_number: data.number, request }),
  );
  return issue.data.closed_by?.login ?? null;
}

/** A list leaves out what GitHub would have to compute: it is null or `unknown` there. */
export function pullRequestOf(data: PullRequest | ListedPullRequest): ForgePullRequest {
  const whole = 'mergeable_state' in data ? data : undefined;
  return {
    number: data.number,
    url: data.html_url,
    state: data.state === 'open' ? 'open' : 'closed',
    merged: data.merged_at !== null,
    draft: data.draft ?? false,
    headSha: data.head.sha,
    headRef: data.head.ref,
    baseRef: data.base.ref,
    mergeable: whole?.mergeable ?? null,
    mergeableState: whole?.mergeable_state ?? 'unknown',
    // Before the merge GitHub puts a trial merge here.
    mergeCommitSha: data.merged_at === null ? null : data.merge_commit_sha,
    closedBy: whole?.merged_by?.login ?? null,
    updatedAt: data.updated_at,
  };
}
