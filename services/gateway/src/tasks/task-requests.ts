import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { z } from 'zod';
import type { TaskRequest } from '@capstan/api';
import { UserError, type Id, type TaskRequestKind } from '@capstan/domain';
import { Database, requestOfTask, type TaskRequest as TaskRequestRow, type Tx } from '@capstan/database';
import { taskAnswered, type PayloadOf } from '@capstan/events';
import { AnswerWaiter } from '../http/answer-waiter.js';
import { actorOf, Reply, type Caller } from '../http/ask.js';
import { instant } from '../http/time.js';
import { EventTail } from '../live/event-tail.js';
import { findTaskId } from './tasks.reader.js';

type Answer = z.infer<typeof TaskRequest>;

/** What people ask of tasks: written down as rows that the scheduler answers. */
@Injectable()
export class TaskRequests implements OnModuleInit, OnModuleDestroy {
  private readonly waiter = new AnswerWaiter();
  private forget: (() => void) | undefined;

  constructor(
    private readonly database: Database,
    private readonly events: EventTail,
  ) {}

  onModuleInit(): void {
    this.forget = this.events.on((event, payload) => {
      if (event.name === taskAnswered.name) this.waiter.wake((payload as PayloadOf<typeof taskAnswered>).requestId);
    });
  }

  onModuleDestroy(): void {
    this.forget?.();
    this.waiter.wakeAll();
  }

  /**
   * Asks something of a task and waits up to two seconds for the answer.
   * @param task its id or short id.
   * @returns 200 with the answer, or 202 with the request's address while it stands unanswered.
   * @throws UserError 409 with the scheduler's code when it refuses, 404 `task_not_found`.
   */
  async ask(
    caller: Caller,
    task: string,
    kind: TaskRequestKind,
    args: Readonly<Record<string, unknown>> = {},
  ): Promise<Reply<Answer>> {
    const { workspaceId } = caller;
    const { id } = await this.database.commit(
      'ask',
      async (tx) => {
        const taskId = await findTaskId(tx, workspaceId, task);
        return requestOfTask(tx, { workspaceId, taskId, kind, arguments: args, actor: actorOf(caller) });
      },
      { workspaceId },
    );
    const request = await this.answered(workspaceId, id);
    if (request.answer === null)
      return new Reply(request, { status: 202, headers: { location: `/api/requests/${id}` } });
    if (!request.answer.applied) throw new UserError(request.answer.detail, { code: request.answer.code, status: 409 });
    return new Reply(request);
  }

  private answered(workspaceId: Id, id: Id): Promise<Answer> {
    return this.waiter.wait(
      id,
      () => this.database.transaction((tx) => readRequest(tx, workspaceId, id), { workspaceId }),
      ({ answer }) => answer !== null,
    );
  }
}

/** @throws UserError 404 `request_not_found`. */
export async function readRequest(tx: Tx, workspaceId: Id, id: Id): Promise<Answer> {
  const [row] = await tx.query<TaskRequestRow>('select * from task_request where workspace_id = $1 and id = $2', [
    workspaceId,
    id,
  ]);
  if (row === undefined)
    throw new UserError(`No request ${id} in this workspace`, {
      code: 'request_not_found',
      status: 404,
      field: 'requestId',
    });
  const { taskId, kind, createdAt, answeredAt, answer } = row;
  return {
    id,
    taskId,
    kind,
    createdAt: instant(createdAt),
    answeredAt: instant(answeredAt),
    answer: answer === null ? null : { applied: answer.applied, code: answer.code, detail: answer.detail },
  };
}
