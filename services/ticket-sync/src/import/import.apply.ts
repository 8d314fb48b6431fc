import {
  MAX_ROW_ATTEMPTS,
  createTask,
  newId,
  tellParked,
  type Database,
  type Repository,
  type TicketCommentJson,
  type TicketSource,
  type Tx,
} from '@capstan/database';
import { ticketSourceChanged } from '@capstan/events';
import type { RemoteTicket } from '@capstan/tickets';

/** Stores an opening and makes its task, both or neither, once. `stale`: somebody else did. */
export async function applyImport(
  database: Database,
  source: TicketSource,
  ticket: RemoteTicket,
  { comments, traceparent }: { readonly comments: readonly TicketCommentJson[]; readonly traceparent: string | null },
): Promise<'applied' | 'stale'> {
  return database.commit('import', async (tx) => {
    const id = newId();
    const inserted = await tx.query(
      `insert into ticket (id, workspace_id, source_id, key, url, title, body, author, opened_at, state, comments)
       values ($1,$2,$3,$4,$5,$6,$7,$8,$9,'open',$10::jsonb) on conflict (source_id, key, opened_at) do nothing returning id`,
      [
        id,
        source.workspaceId,
        source.id,
        ticket.key,
        ticket.url,
        storable(ticket.title),
        storable(ticket.body),
        ticket.author,
        ticket.openedAt,
        JSON.stringify(comments.map((comment) => ({ ...comment, body: storable(comment.body) }))),
      ],
    );
    if (inserted.length === 0) return 'stale';
    const [repository] = await tx.query<Repository>('select * from repository where id = $1', [source.repositoryId]);
    await createTask(tx, {
      workspaceId: source.workspaceId,
      repositoryId: source.repositoryId,
      kind: 'change',
      title: titleOf(ticket),
      body: storable(ticket.body),
      baseBranch: repository!.defaultBranch,
      ticketId: id,
      createdBy: { kind: 'tracker', id: ticket.author },
      cause: `Ticket #${ticket.key} labelled ${source.label}`,
      traceparent,
    });
    return 'applied';
  });
}

/** How a poll failed, for the source's row. */
export interface PollFailure {
  readonly text: string;
  /** Symptom, where the registry has one. */
  readonly code: string | null;
  readonly surprise: boolean;
}

/** Writes down how a poll went; as many surprises in a row as the cap park the source. A wake that came meanwhile stays. */
export async function applyPoll(
  database: Database,
  source: TicketSource,
  result: { readonly etag: string | null; readonly failure: PollFailure | null; readonly nextPollMs: number },
): Promise<{ readonly parked: boolean }> {
  const { etag, failure, nextPollMs } = result;
  const changed = source.lastError !== (failure?.text ?? null);
  return database.transaction(async (tx) => {
    const [row] = await tx.query<TicketSource>(
      `update ticket_source set etag = $2, last_error = $3, last_polled_at = clock_timestamp(), last_error_code = $6,
              attempts = case when $3::text is null then 0 else attempts + 1 end,
              surprises = case when $7 then surprises + 1 else 0 end,
              parked_at = case when $7 and surprises + 1 >= $8 then clock_timestamp() end,
              next_poll_at = case when next_poll_at <= clock_timestamp() then next_poll_at
                                  else clock_timestamp() + $4 * interval '1 ms' end,
              version = version + case when $5 then 1 else 0 end
        where id = $1 and parked_at is null returning *`,
      [
        source.id,
        etag,
        failure?.text ?? null,
        nextPollMs,
        changed,
        failure?.code ?? null,
        failure?.surprise ?? false,
        MAX_ROW_ATTEMPTS,
      ],
    );
    const parked = row !== undefined && row.parkedAt !== null;
    if (parked) await tellParked(tx, 'ticket_source', row);
    if (row !== undefined && changed) await emitChanged(tx, row);
    return { parked };
  });
}

async function emitChanged(tx: Tx, row: TicketSource): Promise<void> {
  await tx.emit(ticketSourceChanged, { workspaceId: row.workspaceId, ticketSourceId: row.id, version: row.version });
}

/** NUL and halves of surrogate pairs, which Postgres keeps neither as text nor in JSON. */
const NOT_STORABLE = /\0|\p{Surrogate}/gu;
const MAX_TITLE_CHARS = 300;

function storable(text: string): string {
  return text.replace(NOT_STORABLE, '\uFFFD');
}

/** One line without control characters: it becomes a branch's name, a commit's subject and a pull request's title. */
function titleOf({ key, title }: RemoteTicket): string {
  const line = storable(title)
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  return (line.length > MAX_TITLE_CHARS ? storable(`${line.slice(0, MAX_TITLE_CHARS - 1)}…`) : line) || `Ticket ${key}`;
}
