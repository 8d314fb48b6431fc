import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import type { Id } from '@capstan/domain';
import { Database, failRow } from '@capstan/database';
import { LOGGER, Loops, type Logger } from '@capstan/service-kit';
import { Advancer } from '../advance-task/advancer.js';
import { Placer } from '../place-task/place-task.loop.js';
import { answerRequest } from './answer-request.apply.js';

/** Answers what people ask of tasks, and by resync what an event that was lost told of. */
@Injectable()
export class Answerer implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    private readonly advancer: Advancer,
    private readonly placer: Placer,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.loops.resync<{ id: Id; taskId: Id }>({
      name: 'answer',
      due: (limit) =>
        this.database.query(
          `select id, task_id from task_request where answered_at is null and parked_at is null
             and (not_before is null or not_before <= clock_timestamp()) and created_at < clock_timestamp() - interval '1 s'
           order by created_at limit $1`,
          [limit],
        ),
      handle: async ({ id, taskId }) => {
        try {
          await this.answer(id, taskId);
        } catch (error) {
          await failRow(this.database, 'task_request', id, error);
          throw error;
        }
      },
    });
  }

  /** Answers one request, and goes on with its task where that is what was asked. */
  async answer(requestId: Id, taskId: Id): Promise<void> {
    const result = await answerRequest(this.database, requestId);
    if (result === 'stale') return;
    this.logger.info({ requestId, taskId }, `request ${result}`);
    if (result !== 'applied') return;
    await this.placer.wake();
    await this.advancer.advance(taskId);
  }
}
