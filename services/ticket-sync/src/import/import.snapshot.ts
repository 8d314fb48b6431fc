import type { Id } from '@capstan/domain';
import type { Database, TicketCommentJson, TicketSource } from '@capstan/database';
import type { RemoteTicket } from '@capstan/tickets';
import type { SourceAccess } from '../tracker-access.js';
import type { KnownOpening } from './import.decide.js';

/** A source is another replica's for this long, ms. */
const CLAIM_MS = 60_000;
const MAX_COMMENTS = 100;
const MAX_COMMENT_CHARS = 65_536;
/** How Capstan knows its own comments: by what it wrote, never by who wrote it. */
const OWN = /<!-- capstan:effect:[0-9a-f-]{36} -->\s*$/;

/** Sources that are due, each claimed by one replica. Those of archived repositories rest, and parked ones. */
export async function claimSources(database: Database, limit: number): Promise<readonly TicketSource[]> {
  return database.query<TicketSource>(
    `update ticket_source set next_poll_at = clock_timestamp() + $2 * interval '1 ms'
      where id in (select ticket_source.id from ticket_source join repository on repository.id = ticket_source.repository_id
                    where enabled and parked_at is null and next_poll_at <= clock_timestamp() and repository.archived_at is null
                    order by next_poll_at limit $1 for update of ticket_source skip locked)
      returning *`,
    [limit, CLAIM_MS],
  );
}

/** Asks for a poll as soon as possible; during a poll it asks for another one. */
export async function wakeSources(
  database: Database,
  which: { readonly id: Id } | { readonly repositoryId: Id } | { readonly workspaceId: Id },
): Promise<void> {
  const [column, value] =
    'id' in which
      ? ['id', which.id]
      : 'repositoryId' in which
        ? ['repository_id', which.repositoryId]
        : ['workspace_id', which.workspaceId];
  await database.query(
    `update ticket_source set next_poll_at = least(next_poll_at, clock_timestamp()) where ${column} = $1 and enabled`,
    [value],
  );
}

/** Openings of these tickets that are known already. */
export async function knownOpenings(
  database: Database,
  sourceId: Id,
  tickets: readonly RemoteTicket[],
): Promise<readonly KnownOpening[]> {
  return database.query<KnownOpening>('select key, opened_at from ticket where source_id = $1 and key = any($2)', [
    sourceId,
    tickets.map(({ key }) => key),
  ]);
}

/** What people said on the ticket so far, oldest first; of very long discussions the end. */
export async function readComments({ tracker, connection }: SourceAccess, key: string): Promise<TicketCommentJson[]> {
  const comments = await tracker.comments(connection, key);
  return comments
    .filter(({ body }) => !OWN.test(body))
    .slice(-MAX_COMMENTS)
    .map(({ author, body, createdAt }) => ({ author, body: body.slice(0, MAX_COMMENT_CHARS), createdAt }));
}
