import {
  recordTaskEvent,
  rowError,
  unparkRow,
  type AnswerJson,
  type Database,
  type ParkedRequest,
  type Tx,
} from '@capstan/database';
import {
  Bug,
  UserError,
  backoffMs,
  errorText,
  type Actor,
  type Id,
  type ParkedKind,
  type ParkedOwner,
} from '@capstan/domain';
import { parkedRowAnswered } from '@capstan/events';
import type { Logger } from '../telemetry/logger.js';

/** Who asks for it, and why. */
export interface ParkedAsk {
  readonly actor: Actor;
  /** One sentence for rows and timelines: that a person dropped it, why, and what had failed. */
  readonly words: string;
}

/** A row as it was while it was parked: what every kind of them has. The rest is the table's own. */
export interface ParkedRowBase {
  readonly id: Id;
  readonly workspaceId: Id;
  readonly taskId?: Id;
  readonly attempts: number;
  readonly lastError: string | null;
}

/** What the owner of a table does with a parked row of it. Both run in the transaction that writes the answer. */
export interface ParkedVerb<Row extends ParkedRowBase = never> {
  /** The row is as before its first failure; what else belongs to going on with it. Answers what to tell the person. */
  replay(tx: Tx, row: Row, ask: ParkedAsk): Promise<string>;
  /**
   * Ends what the row stood for, so that it isn't parked any more, and says what that came to.
   * @throws UserError where something would be lost that a person can still save; its remedy says how.
   */
  drop(tx: Tx, row: Row, ask: ParkedAsk): Promise<string>;
  /** After the commit of either: whoever goes on with it is woken, here and now. */
  wake?(row: Row): void | Promise<void>;
}

export type ParkedVerbs = Partial<Record<ParkedKind, ParkedVerb>>;

export interface ParkedRequestsOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly owner: ParkedOwner;
  readonly verbs: ParkedVerbs;
}

type Applied = { readonly kind: ParkedKind; readonly answer: AnswerJson; readonly row: ParkedRowBase | null };

/** Failures of ours before a request is answered with its error: it must not become a dead letter itself. */
const MAX_TRIES = 5;
const BACKOFF = { baseMs: 1_000, maxMs: 60_000 };

/** Applies what people ask of the parked rows that this service owns. */
export class ParkedRequests {
  constructor(private readonly options: ParkedRequestsOptions) {}

  get owner(): ParkedOwner {
    return this.options.owner;
  }

  /** Requests that stand unanswered, oldest first. */
  due(limit: number): Promise<readonly { readonly id: Id }[]> {
    return this.options.database.query<{ id: Id }>(
      `select id from parked_request where owner = $1 and answered_at is null
          and (not_before is null or not_before <= clock_timestamp()) order by created_at limit $2`,
      [this.owner, limit],
    );
  }

  /** Applies one request and writes its answer, in one transaction; one that is answered stays as it is. */
  async apply(requestId: Id): Promise<void> {
    const { database, logger } = this.options;
    try {
      const applied = await database.transaction((tx) => this.carryOut(tx, requestId));
      if (applied === null) return;
      logger.info({ requestId, kind: applied.kind, rowId: applied.row?.id }, applied.answer.detail);
      if (applied.row !== null) await this.wake(applied.kind, applied.row);
    } catch (error) {
      if (error instanceof UserError) await this.answerRefused(requestId, error);
      else await this.failed(requestId, error);
    }
  }

  /** What it throws is the row's next failure, counted by whoever works on it. */
  private async wake(kind: ParkedKind, row: ParkedRowBase): Promise<void> {
    const { logger, verbs } = this.options;
    try {
      await verbs[kind]?.wake?.(row as never);
    } catch (error) {
      logger.warn({ err: error, kind, rowId: row.id }, `what was replayed failed again: ${errorText(error)}`);
    }
  }

  private async carryOut(tx: Tx, requestId: Id): Promise<Applied | null> {
    const [request] = await tx.query<ParkedRequest>(
      'select * from parked_request where id = $1 and owner = $2 and answered_at is null for update skip locked',
      [requestId, this.owner],
    );
    if (request === undefined) return null;
    const { kind, rowId, action } = request;
    const verb = this.options.verbs[kind];
    if (verb === undefined) throw new Bug(`${this.owner} has no verb for parked rows of ${kind}`);
    const row =
      action === 'replay'
        ? await unparkRow<ParkedRowBase>(tx, kind, rowId)
        : await lockParked<ParkedRowBase>(tx, kind, rowId);
    if (row === null) return this.answer(tx, request, null, NOT_PARKED);
    const ask: ParkedAsk = { actor: request.actor, words: wordsOf(request, row) };
    const detail = await verb[action](tx, row as never, ask);
    const taskId = kind === 'task' ? row.id : row.taskId;
    if (taskId !== undefined)
      await recordTaskEvent(tx, {
        workspaceId: request.workspaceId,
        taskId,
        kind: 'request',
        cause: action === 'drop' ? ask.words : `Replayed: ${detail}`,
        actor: request.actor,
        traceparent: null,
        detail: { parked: kind, rowId, attempts: row.attempts, error: row.lastError },
      });
    const code = action === 'replay' ? 'replayed' : 'dropped';
    return this.answer(tx, request, row, { applied: true, code, detail });
  }

  private async answer(
    tx: Tx,
    { id, kind, rowId, workspaceId }: ParkedRequest,
    row: ParkedRowBase | null,
    answer: AnswerJson,
  ): Promise<Applied> {
    await tx.query('update parked_request set answered_at = clock_timestamp(), answer = $2 where id = $1', [
      id,
      answer,
    ]);
    await tx.emit(parkedRowAnswered, { workspaceId, kind, rowId, requestId: id });
    return { kind, answer, row };
  }

  /** That it can't be is an answer, not a failure. */
  private async answerRefused(requestId: Id, { code, message, remedy }: UserError): Promise<void> {
    const answer: AnswerJson = { applied: false, code, detail: message, ...(remedy === undefined ? {} : { remedy }) };
    await this.options.database.transaction(async (tx) => {
      const [request] = await tx.query<ParkedRequest>(
        'select * from parked_request where id = $1 and answered_at is null for update skip locked',
        [requestId],
      );
      if (request !== undefined) await this.answer(tx, request, null, answer);
    });
  }

  private async failed(requestId: Id, error: unknown): Promise<void> {
    const { database, logger } = this.options;
    const { text } = rowError(error);
    const [row] = await database.query<ParkedRequest>(
      `update parked_request set attempts = attempts + 1, last_error = $2 where id = $1 and answered_at is null returning *`,
      [requestId, text],
    );
    logger.error({ err: error, requestId }, `what was asked of a parked row could not be done: ${errorText(error)}`);
    if (row === undefined) return;
    if (row.attempts >= MAX_TRIES)
      return this.answerRefused(requestId, new UserError(`It could not be done: ${text}`, { code: 'request_failed' }));
    const waitMs = backoffMs(row.attempts, Math.random(), BACKOFF);
    await database.query(
      `update parked_request set not_before = clock_timestamp() + $2 * interval '1 ms' where id = $1`,
      [requestId, waitMs],
    );
  }
}

const NOT_PARKED: AnswerJson = {
  applied: false,
  code: 'not_parked',
  detail: 'It is not parked (any more); nothing was changed',
};

async function lockParked<Row>(tx: Tx, kind: ParkedKind, id: Id): Promise<Row | null> {
  const [row] = await tx.query<Row>(`select * from "${kind}" where id = $1 and parked_at is not null for update`, [id]);
  return row ?? null;
}

function wordsOf({ reason, kind }: ParkedRequest, { attempts, lastError }: ParkedRowBase): string {
  const why = reason === null || reason === '' ? '' : ` (${reason})`;
  const error = lastError?.split('\n')[0]?.slice(0, 300) ?? 'no reason is known';
  return `Dropped by a person${why}: the ${kind.replaceAll('_', ' ')} had failed ${attempts === 1 ? 'once' : `${attempts} times`}: ${error}`;
}
