import { Module } from '@nestjs/common';
import { Database, parkRow } from '@capstan/database';
import { ON_EXHAUSTED } from '@capstan/service-kit';
import { errorText } from '@capstan/domain';
import type { ExhaustedHook } from '@capstan/jetstream';
import { AdvanceTaskHandler } from './advance-task/advance-task.handler.js';
import { AdvanceTaskLoop } from './advance-task/advance-task.loop.js';
import { Advancer } from './advance-task/advancer.js';
import { AnswerRequestHandler } from './answer-request/answer-request.handler.js';
import { PlaceTaskHandler } from './place-task/place-task.handler.js';
import { Placer } from './place-task/place-task.loop.js';
import { WorkMetrics } from './work-metrics.js';

/** A message that failed too often parks the row that it is about; the row then waits for a person. */
const parkExhausted =
  (database: Database): ExhaustedHook =>
  async (event, payload, error) => {
    const { taskId, requestId } = payload as { taskId?: string; requestId?: string };
    if (requestId !== undefined)
      await parkRow(database, 'task_request', requestId, `${event.name}: ${errorText(error)}`);
    else if (taskId !== undefined) await parkRow(database, 'task', taskId, `${event.name}: ${errorText(error)}`);
  };

@Module({
  controllers: [AdvanceTaskHandler, AnswerRequestHandler, PlaceTaskHandler],
  providers: [
    Placer,
    Advancer,
    AdvanceTaskLoop,
    WorkMetrics,
    { provide: ON_EXHAUSTED, useFactory: parkExhausted, inject: [Database] },
  ],
})
export class SchedulerModule {}
