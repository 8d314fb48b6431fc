import { Inject, Injectable } from '@nestjs/common';
import { errorText, type Id } from '@capstan/domain';
import { Database, clearRow, failRow } from '@capstan/database';
import { LOGGER, type Logger } from '@capstan/service-kit';
import { Placer } from '../place-task/place-task.loop.js';
import { advanceTask } from './advance-task.apply.js';

/** Advances tasks, and wakes placement when that queued one or freed a place. */
@Injectable()
export class Advancer {
  constructor(
    private readonly database: Database,
    private readonly placer: Placer,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Takes one task as far as it goes. Throws what an event's handler should answer with a redelivery. */
  async advance(taskId: Id): Promise<void> {
    const results = await advanceTask(this.database, taskId, Math.random);
    for (const result of results)
      if (result.kind === 'applied') this.logger.info({ taskId, transition: result.transition }, result.cause);
    if (results.some(({ kind }) => kind === 'applied')) await this.placer.wake();
  }

  /** For the resync: a failure is counted on the row, which is parked at the cap. */
  async resync(taskId: Id): Promise<void> {
    try {
      await this.advance(taskId);
      await clearRow(this.database, 'task', taskId);
    } catch (error) {
      const { parked } = await failRow(this.database, 'task', taskId, errorText(error));
      if (parked) this.logger.error({ taskId, err: error }, 'task parked');
      throw error;
    }
  }

  /** Tasks that wait for this one. */
  async dependents(taskId: Id): Promise<readonly Id[]> {
    const rows = await this.database.query<{ taskId: Id }>(
      `select e.task_id from task_dependency e join task t on t.id = e.task_id where e.depends_on_id = $1 and t.state = 'waiting'`,
      [taskId],
    );
    return rows.map((row) => row.taskId);
  }
}
