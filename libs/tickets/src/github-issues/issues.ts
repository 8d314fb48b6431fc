import { UserError } from '@capstan/domain';
import type { RestEndpointMethodTypes } from '@octokit/rest';
import type { RemoteTicket, TicketConnection } from '../ticket.port.js';
import type { GitHubClient } from './client.js';

export type Issue = RestEndpointMethodTypes['issues']['listForRepo']['response']['data'][number];

/** `owner/name` in two parts. Throws UserError with the field `project`. */
export function projectOf(project: string): { readonly owner: string; readonly repo: string } {
  const match = /^([\w.-]+)\/([\w.-]+)$/.exec(project);
  if (match?.[1] && match[2]) return { owner: match[1], repo: match[2] };
  throw new UserError(`"${project}" is not of the form owner/name`, {
    code: 'project_invalid',
    field: 'project',
    status: 422,
  });
}

/** An issue's address for a request. Throws UserError `remote_not_found` for a key that can't be an issue's number. */
export function issueAt(
  { project }: TicketConnection,
  key: string,
): { owner: string; repo: string; issue_number: number } {
  if (!/^[1-9]\d{0,14}$/.test(key)) {
    throw new UserError(`"${key}" is not the number of an issue`, { code: 'remote_not_found', status: 422 });
  }
  return { ...projectOf(project), issue_number: Number(key) };
}

/** Reads when an issue was opened last only where it was ever reopened: that costs a request more. */
export async function ticketOf(
  client: GitHubClient,
  connection: TicketConnection,
  issue: Issue,
  signal: AbortSignal | undefined,
): Promise<RemoteTicket> {
  return {
    key: String(issue.number),
    url: issue.html_url,
    title: issue.title,
    body: issue.body ?? '',
    state: issue.state === 'open' ? 'open' : 'closed',
    labels: issue.labels.flatMap((label) => (typeof label === 'string' ? label : (label.name ?? []))),
    author: issue.user?.login ?? 'ghost',
    updatedAt: issue.updated_at,
    openedAt:
      issue.state_reason === 'reopened' ? await reopenedAt(client, connection, issue, signal) : issue.created_at,
  };
}

async function reopenedAt(
  client: GitHubClient,
  connection: TicketConnection,
  issue: Issue,
  signal: AbortSignal | undefined,
): Promise<string> {
  const at = issueAt(connection, String(issue.number));
  const events = await client.pages(`read the events of ${connection.project}#${issue.number}`, signal, (rest, page) =>
    rest.issues.listEvents({ ...at, ...page }),
  );
  const openings = events.filter(({ event }) => event === 'reopened').map(({ created_at: createdAt }) => createdAt);
  return openings.sort().at(-1) ?? issue.created_at;
}
