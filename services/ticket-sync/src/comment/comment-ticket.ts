import { effectMarker } from '@capstan/domain';
import type { Database, Effect, Tx } from '@capstan/database';
import type { EffectHandler, EffectOutcome, WriteContext } from '@capstan/service-kit';
import type { TicketComment } from '@capstan/tickets';
import type { TrackerAccess } from '../tracker-access.js';

/** Leaves one comment on a ticket, known again by the marker at its end. */
export class CommentTicket implements EffectHandler {
  constructor(private readonly access: TrackerAccess) {}

  /** Of equal comments the oldest stays. */
  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    const id = await this.settleTwins(effect, signal);
    return id === null ? null : { kind: 'done', remoteId: id, result: {} };
  }

  async act(effect: Effect, { signal, beforeWrite }: WriteContext): Promise<EffectOutcome> {
    const { ticket, tracker, connection } = await this.access.ofTicket(ticketIdOf(effect));
    await beforeWrite();
    const { id } = await tracker.comment(connection, ticket.key, textOf(effect), signal);
    return { kind: 'done', remoteId: id, result: {} };
  }

  async record(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void> {
    await recordError(tx, effect, outcome);
  }

  /** Deletes later equals of the effect's comment. Answers the id of the one that stays, null when there is none. */
  async settleTwins(effect: Effect, signal: AbortSignal): Promise<string | null> {
    const { ticket, tracker, connection } = await this.access.ofTicket(ticketIdOf(effect));
    const [first, ...later] = ownComments(await tracker.comments(connection, ticket.key, signal), effect);
    for (const { id } of later) await tracker.deleteComment(connection, id, signal);
    return first?.id ?? null;
  }
}

/** Closes a ticket; one that is closed stays as it is. */
export class CloseTicket implements EffectHandler {
  constructor(private readonly access: TrackerAccess) {}

  async look(effect: Effect, signal: AbortSignal): Promise<EffectOutcome | null> {
    const { ticket, tracker, connection } = await this.access.ofTicket(ticketIdOf(effect));
    const remote = await tracker.ticket(connection, ticket.key, signal);
    return remote.state === 'closed' ? { kind: 'done', remoteId: ticket.key, result: {} } : null;
  }

  async act(effect: Effect, { signal, beforeWrite }: WriteContext): Promise<EffectOutcome> {
    const { ticket, tracker, connection } = await this.access.ofTicket(ticketIdOf(effect));
    await beforeWrite();
    await tracker.close(connection, ticket.key, signal);
    return { kind: 'done', remoteId: ticket.key, result: {} };
  }

  async record(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void> {
    if (outcome.kind === 'done')
      await tx.query(`update ticket set state = 'closed' where id = $1`, [ticketIdOf(effect)]);
    await recordError(tx, effect, outcome);
  }
}

/** After a takeover a late request of the former holder may still have made a second comment: one deadline later it is looked for. */
export async function lookAgain(database: Database, comments: CommentTicket, limit: number): Promise<void> {
  const effects = await database.query<Effect>(
    `select * from effect
      where executor = 'ticket-sync' and kind = 'comment_ticket' and state = 'done' and claim_epoch > 1
        and settled_at between clock_timestamp() - interval '1 day' and clock_timestamp() - interval '20 seconds'
        and not result ? 'lookedAgain'
      order by settled_at limit $1`,
    [limit],
  );
  for (const effect of effects) {
    await comments.settleTwins(effect, AbortSignal.timeout(10_000));
    await database.query(
      `update effect set result = result || '{"lookedAgain": true}' where id = $1 and state = 'done'`,
      [effect.id],
    );
  }
}

/** Equal means every character: a marker that somebody quoted or copied is theirs. */
function ownComments(comments: readonly TicketComment[], effect: Effect): readonly TicketComment[] {
  const text = textOf(effect);
  return comments.filter(({ body }) => normal(body) === normal(text));
}

function normal(text: string): string {
  return text.replaceAll('\r\n', '\n').trim();
}

function textOf(effect: Effect): string {
  return `${String(effect.arguments['body'] ?? '')}\n\n${effectMarker(effect.id)}`;
}

function ticketIdOf(effect: Effect): string {
  return String(effect.arguments['ticketId']);
}

async function recordError(tx: Tx, effect: Effect, outcome: EffectOutcome): Promise<void> {
  const error = outcome.kind === 'refused' ? String(outcome.result['error'] ?? 'refused') : null;
  await tx.query('update ticket set last_error = $2 where id = $1', [ticketIdOf(effect), error]);
}
