import { Module } from '@nestjs/common';
import { Database, parkRow } from '@capstan/database';
import { ON_EXHAUSTED, parkedRows } from '@capstan/service-kit';
import type { ExhaustedHook } from '@capstan/jetstream';
import { AdvanceTaskHandler } from './advance-task/advance-task.handler.js';
import { AdvanceTaskLoop } from './advance-task/advance-task.loop.js';
import { Advancer } from './advance-task/advancer.js';
import { AnswerRequestHandler } from './answer-request/answer-request.handler.js';
import { Answerer } from './answer-request/answerer.js';
import { ForgetLoop } from './forget/forget.loop.js';
import { PlaceTaskHandler } from './place-task/place-task.handler.js';
import { Placer } from './place-task/place-task.loop.js';
import { parkedVerbs } from './parked/parked-rows.apply.js';
import { WorkMetrics } from './work-metrics.js';

/** A message that failed too often parks the row that it is about; the row then waits for a person. */
const parkExhausted =
  (database: Database): ExhaustedHook =>
  async (_event, payload, error) => {
    const { taskId, requestId } = payload as { taskId?: string; requestId?: string };
    if (requestId !== undefined) await parkRow(database, 'task_request', requestId, error);
    else if (taskId !== undefined) await parkRow(database, 'task', taskId, error);
  };

const parked = parkedRows(
  'scheduler',
  [Placer, Advancer, Answerer],
  (placer: Placer, advancer: Advancer, answerer: Answerer) =>
    parkedVerbs({
      task: async (id) => {
        await placer.wake();
        await advancer.advance(id);
      },
      request: (id, taskId) => answerer.answer(id, taskId),
    }),
);

@Module({
  controllers: [...parked.controllers, AdvanceTaskHandler, AnswerRequestHandler, PlaceTaskHandler],
  providers: [
    ...parked.providers,
    Placer,
    Advancer,
    Answerer,
    AdvanceTaskLoop,
    WorkMetrics,
    ForgetLoop,
    { provide: ON_EXHAUSTED, useFactory: parkExhausted, inject: [Database] },
  ],
})
export class SchedulerModule {}
