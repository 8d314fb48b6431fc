import { UserError } from '@capstan/domain';
import type { RemoteTicket, TicketComment, TicketConnection, Tickets } from '../ticket.port.js';
import { GitHubClients } from './client.js';
import { issueAt, projectOf, ticketOf } from './issues.js';
import { poll } from './poll.js';

/**
 * Issues of GitHub, and of GitHub Enterprise Server through its API root, with a token.
 * @param options.timeoutMs how long one call may take with all its retries; 10 s unless a test says otherwise.
 */
export function createGitHubIssues(options: { readonly timeoutMs?: number } = {}): Tickets {
  const clients = new GitHubClients(options.timeoutMs);
  return {
    name: 'github-issues',
    poll: (connection, label, etag, signal) => poll(clients.client(connection), connection, label, etag, signal),
    ticket: (connection, key, signal) => readTicket(clients, connection, key, signal),
    comments: (connection, key, signal) => readComments(clients, connection, key, signal),
    findComment: async (connection, key, marker, signal) => {
      const comments = await readComments(clients, connection, key, signal);
      const found = comments.find(({ body }) => body.trimEnd().endsWith(marker));
      return found ? { id: found.id } : null;
    },
    comment: (connection, key, body, signal) => comment(clients, connection, key, body, signal),
    deleteComment: (connection, id, signal) => deleteComment(clients, connection, id, signal),
    close: (connection, key, signal) => close(clients, connection, key, signal),
  };
}

async function readTicket(
  clients: GitHubClients,
  connection: TicketConnection,
  key: string,
  signal?: AbortSignal,
): Promise<RemoteTicket> {
  const client = clients.client(connection);
  const at = issueAt(connection, key);
  const doing = `read issue ${connection.project}#${key}`;
  const { data } = await client.call(doing, signal, (rest, request) => rest.issues.get({ ...at, request }));
  // A transferred issue answers from its new place; a pull request has a number of the same row.
  if (data.number !== at.issue_number || data.pull_request) {
    throw new UserError(`could not ${doing}: there is no issue of that number any more`, {
      code: 'remote_not_found',
      status: 422,
    });
  }
  return ticketOf(client, connection, data, signal);
}

async function readComments(
  clients: GitHubClients,
  connection: TicketConnection,
  key: string,
  signal?: AbortSignal,
): Promise<readonly TicketComment[]> {
  const at = issueAt(connection, key);
  const comments = await clients
    .client(connection)
    .pages(`read the comments of ${connection.project}#${key}`, signal, (rest, page) =>
      rest.issues.listComments({ ...at, ...page }),
    );
  return [...comments]
    .sort((a, b) => a.id - b.id)
    .map(({ id, user, body, created_at: createdAt }) => ({
      id: String(id),
      author: user?.login ?? 'ghost',
      body: body ?? '',
      createdAt,
    }));
}

async function comment(
  clients: GitHubClients,
  connection: TicketConnection,
  key: string,
  body: string,
  signal?: AbortSignal,
): Promise<{ readonly id: string }> {
  const at = issueAt(connection, key);
  const { data } = await clients
    .client(connection)
    .call(`comment on ${connection.project}#${key}`, signal, (rest, request) =>
      rest.issues.createComment({ ...at, body, request }),
    );
  return { id: String(data.id) };
}

async function deleteComment(
  clients: GitHubClients,
  connection: TicketConnection,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const at = { ...projectOf(connection.project), comment_id: Number(id) };
  // 404: it is gone already.
  await clients
    .client(connection)
    .callUnless(404, `delete the comment ${id} of ${connection.project}`, signal, (rest, request) =>
      rest.issues.deleteComment({ ...at, request }),
    );
}

/** Looks first: closing a closed issue would replace the reason that a person gave. */
async function close(
  clients: GitHubClients,
  connection: TicketConnection,
  key: string,
  signal?: AbortSignal,
): Promise<void> {
  const client = clients.client(connection);
  const at = issueAt(connection, key);
  const { data } = await client.call(`read issue ${connection.project}#${key}`, signal, (rest, request) =>
    rest.issues.get({ ...at, request }),
  );
  if (data.state === 'closed') return;
  await client.call(`close issue ${connection.project}#${key}`, signal, (rest, request) =>
    rest.issues.update({ ...at, state: 'closed', state_reason: 'completed', request }),
  );
}
