import type { CommitReport, ForgeConnection } from '../forge.port.js';
import { ownerAndName, type GitHubClient } from './client.js';

/** The check run of the connection's own apps that carries the marker, the oldest of several. */
export async function findReport(
  client: GitHubClient,
  { fullName, ownAppIds = [] }: ForgeConnection,
  { sha, marker }: Pick<CommitReport, 'sha' | 'marker'>,
  signal?: AbortSignal,
): Promise<{ readonly id: string } | null> {
  const where = { ...ownerAndName(fullName), ref: sha };
  const runs = await client.pages(`read the check runs of ${fullName}@${sha}`, signal, async (rest, page) => {
    const { data, headers } = await rest.checks.listForRef({ ...where, filter: 'all', ...page });
    return { data: data.check_runs, headers };
  });
  const ids = runs
    .filter((run) => run.external_id === marker && run.app !== null && ownAppIds.includes(run.app.id))
    .map(({ id }) => id);
  return ids.length === 0 ? null : { id: String(Math.min(...ids)) };
}

/** Neutral and over from the start: nobody waits for it, and no rule takes it for a test that passed. */
export async function report(
  client: GitHubClient,
  { fullName }: ForgeConnection,
  { sha, name, title, summary, url, marker }: CommitReport,
  signal?: AbortSignal,
): Promise<{ readonly id: string }> {
  const where = ownerAndName(fullName);
  const { data } = await client.call(`report on ${fullName}@${sha}`, signal, (rest, request) =>
    rest.checks.create({
      ...where,
      name,
      head_sha: sha,
      status: 'completed',
      conclusion: 'neutral',
      details_url: url,
      external_id: marker,
      output: { title, summary },
      request,
    }),
  );
  return { id: String(data.id) };
}
