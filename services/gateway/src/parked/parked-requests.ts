import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { z } from 'zod';
import type { ParkedRequest } from '@capstan/api';
import { Database, requestOfParkedRow, type ParkedRequest as ParkedRequestRow, type Tx } from '@capstan/database';
import { UserError, type Id, type ParkedAction, type ParkedKind } from '@capstan/domain';
import { parkedRowAnswered, type PayloadOf } from '@capstan/events';
import { audit } from '../access/audit.js';
import { actorOf, Reply, type Caller } from '../http/ask.js';
import { instant } from '../http/time.js';
import { AnswerWaiter } from '../http/answer-waiter.js';
import { EventTail } from '../live/event-tail.js';
import { allParked, findParkable, type ParkedTarget } from './parked.reader.js';

type Answer = z.infer<typeof ParkedRequest>;

/** What people ask of parked rows: written down as rows that the rows' owners answer. */
@Injectable()
export class ParkedRequests implements OnModuleInit, OnModuleDestroy {
  private readonly waiter = new AnswerWaiter();
  private forget: (() => void) | undefined;

  constructor(
    private readonly database: Database,
    private readonly events: EventTail,
  ) {}

  onModuleInit(): void {
    this.forget = this.events.on((event, payload) => {
      if (event.name === parkedRowAnswered.name)
        this.waiter.wake((payload as PayloadOf<typeof parkedRowAnswered>).requestId);
    });
  }

  onModuleDestroy(): void {
    this.forget?.();
    this.waiter.wakeAll();
  }

  /**
   * Asks the owner of a row to replay or drop it, and waits up to two seconds for the answer.
   * @param row its id or short id.
   * @returns 200 with the answer (`not_parked` where somebody was faster), or 202 while it stands unanswered.
   * @throws UserError 409 with the owner's code and remedy when it refuses, 404 `parked_row_not_found`.
   */
  async ask(
    caller: Caller,
    row: { readonly kind: ParkedKind; readonly id: string },
    action: ParkedAction,
    reason: string | null,
  ): Promise<Reply<Answer>> {
    const { workspaceId } = caller;
    const id = await this.database.transaction(
      async (tx) => this.write(tx, caller, await findParkable(tx, workspaceId, row.kind, row.id), action, reason),
      { workspaceId },
    );
    const request = await this.waiter.wait(
      id,
      () => this.database.transaction((tx) => readParkedRequest(tx, workspaceId, id), { workspaceId }),
      ({ answer }) => answer !== null,
    );
    const { answer } = request;
    if (answer === null)
      return new Reply(request, { status: 202, headers: { location: `/api/parked-requests/${id}` } });
    if (!answer.applied && answer.code !== 'not_parked')
      throw new UserError(answer.detail, {
        code: answer.code,
        status: 409,
        ...(answer.remedy === undefined ? {} : { remedy: answer.remedy }),
      });
    return new Reply(request);
  }

  /** Asks for a replay of everything that is parked. Answers how many rows that are. */
  askAll(caller: Caller, kind: ParkedKind | undefined): Promise<number> {
    const { workspaceId } = caller;
    return this.database.transaction(
      async (tx) => {
        const targets = await allParked(tx, workspaceId, kind);
        for (const target of targets) await this.write(tx, caller, target, 'replay', null);
        return targets.length;
      },
      { workspaceId },
    );
  }

  private async write(
    tx: Tx,
    caller: Caller,
    { kind, id: rowId, effectKind }: ParkedTarget,
    action: ParkedAction,
    reason: string | null,
  ): Promise<Id> {
    const { workspaceId } = caller;
    await audit(tx, caller, `parked.${action}`, `${kind}/${rowId}`, reason === null ? null : { reason });
    const request = { workspaceId, kind, rowId, effectKind, action, reason, actor: actorOf(caller) };
    return (await requestOfParkedRow(tx, request)).id;
  }
}

/** @throws UserError 404 `request_not_found`. */
export async function readParkedRequest(tx: Tx, workspaceId: Id, id: Id): Promise<Answer> {
  const [row] = await tx.query<ParkedRequestRow>('select * from parked_request where workspace_id = $1 and id = $2', [
    workspaceId,
    id,
  ]);
  if (row === undefined)
    throw new UserError(`No request ${id} in this workspace`, {
      code: 'request_not_found',
      status: 404,
      field: 'requestId',
    });
  const { kind, rowId, action, createdAt, answeredAt, answer } = row;
  return { id, kind, rowId, action, createdAt: instant(createdAt), answeredAt: instant(answeredAt), answer };
}
