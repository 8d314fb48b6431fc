import type { RestEndpointMethodTypes } from '@octokit/rest';
import type { CheckRun } from './checks.js';
import type { GitHubClient } from './client.js';

type WorkflowRun =
  RestEndpointMethodTypes['actions']['listWorkflowRunsForRepo']['response']['data']['workflow_runs'][number];
type Job = RestEndpointMethodTypes['actions']['listJobsForWorkflowRun']['response']['data']['jobs'][number];

interface Reader {
  readonly client: GitHubClient;
  readonly owner: string;
  readonly repo: string;
  readonly fullName: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * The check runs of GitHub Actions, and of no other app, read as jobs of workflows. For tokens that may read Actions and
 * not checks, as every fine-grained one of a private repository: two requests and one for each workflow.
 */
export async function actionsJobs(
  { client, owner, repo, fullName, signal }: Reader,
  sha: string,
): Promise<readonly CheckRun[]> {
  const doing = `read the workflow runs of ${fullName}@${sha}`;
  const runs = await client.pages(doing, signal, async (rest, page) => {
    const { data, headers } = await rest.actions.listWorkflowRunsForRepo({ owner, repo, head_sha: sha, ...page });
    return { data: data.workflow_runs, headers };
  });
  const reports = await Promise.all(
    runs.map(async (run) => {
      const jobs = await client.pages(`${doing}: ${run.id}`, signal, async (rest, page) => {
        const where = { owner, repo, run_id: run.id, filter: 'latest' as const };
        const { data, headers } = await rest.actions.listJobsForWorkflowRun({ ...where, ...page });
        return { data: data.jobs, headers };
      });
      return [...jobs.map((job) => jobReport(job, run)), ...rest(run, jobs)];
    }),
  );
  return reports.flat();
}

function jobReport(job: Job, run: WorkflowRun): CheckRun {
  const failed = (job.steps ?? []).filter(({ conclusion }) => conclusion === 'failure').map(({ name }) => name);
  return {
    id: job.id,
    name: job.name,
    status: job.status,
    conclusion: job.conclusion,
    appId: null,
    suiteId: run.check_suite_id ?? run.id,
    url: job.html_url,
    output: failed.length === 0 ? [] : [`Failed: ${failed.join(', ')}`],
  };
}

/**
 * A workflow that goes on after all of its jobs has further ones to come, and one that ended without any never began:
 * neither is green yet.
 */
function rest(run: WorkflowRun, jobs: readonly Job[]): readonly CheckRun[] {
  const isOver = run.status === 'completed';
  const isTold = isOver ? jobs.length > 0 : jobs.some(({ status }) => status !== 'completed');
  if (isTold) return [];
  return [
    {
      ...{ id: run.id, name: run.name ?? `Workflow ${run.workflow_id}`, status: run.status ?? 'queued' },
      ...{
        conclusion: run.conclusion,
        appId: null,
        suiteId: run.check_suite_id ?? run.id,
        url: run.html_url,
        output: [],
      },
    },
  ];
}
