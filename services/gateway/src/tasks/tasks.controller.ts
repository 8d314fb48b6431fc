import { Controller } from '@nestjs/common';
import { routes, type Task } from '@capstan/api';
import { Database } from '@capstan/database';
import type { AskOf, Reply } from '../http/ask.js';
import { idempotencyKey, once } from '../http/idempotency.js';
import { Serves } from '../http/serves.js';
import { readTaskDetail } from './task-detail.reader.js';
import { eventsOfTask, eventsOfWorkspace } from './task-events.reader.js';
import { findTaskId, listTasks, readBoard, readTask } from './tasks.reader.js';
import { queueTask } from './tasks.writer.js';

@Controller()
export class TasksController {
  constructor(private readonly database: Database) {}

  @Serves(routes.board)
  board({ caller: { workspaceId }, query }: AskOf<typeof routes.board>) {
    return this.database.transaction((tx) => readBoard(tx, workspaceId, query, query.limit), { workspaceId });
  }

  @Serves(routes.listTasks)
  list({ caller: { workspaceId }, query }: AskOf<typeof routes.listTasks>) {
    return this.database.transaction((tx) => listTasks(tx, workspaceId, query, query), { workspaceId });
  }

  @Serves(routes.createTask)
  create({ caller, body, request }: AskOf<typeof routes.createTask>): Promise<Reply<Task>> {
    const { workspaceId } = caller;
    const key = idempotencyKey(request.headers['idempotency-key']);
    return this.database.commit(
      'create',
      (tx) =>
        once(tx, { workspaceId, key, request: ['createTask', body] }, 201, async () =>
          readTask(tx, workspaceId, await queueTask(tx, caller, body)),
        ),
      { workspaceId },
    );
  }

  @Serves(routes.task)
  task({ caller: { workspaceId }, params }: AskOf<typeof routes.task>) {
    return this.database.transaction(
      async (tx) => readTaskDetail(tx, workspaceId, await findTaskId(tx, workspaceId, params.taskId)),
      { workspaceId },
    );
  }

  @Serves(routes.taskEvents)
  events({ caller: { workspaceId }, params, query }: AskOf<typeof routes.taskEvents>) {
    return this.database.transaction(
      async (tx) => eventsOfTask(tx, workspaceId, await findTaskId(tx, workspaceId, params.taskId), query),
      { workspaceId },
    );
  }

  @Serves(routes.listEvents)
  allEvents({ caller: { workspaceId }, query }: AskOf<typeof routes.listEvents>) {
    return this.database.transaction((tx) => eventsOfWorkspace(tx, workspaceId, query), { workspaceId });
  }
}
