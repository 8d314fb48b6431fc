import { Inject, Injectable } from '@nestjs/common';
import { TASK_TRANSITIONS, type Id } from '@capstan/domain';
import { Database, clearRow, failRow } from '@capstan/database';
import { LOGGER, coalesce, type Logger } from '@capstan/service-kit';
import { Placer } from '../place-task/place-task.loop.js';
import { advanceTask } from './advance-task.apply.js';

/** Advances tasks, and wakes placement when that queued one. */
@Injectable()
export class Advancer {
  /** Tasks that are being advanced here: what wakes one meanwhile asks for one more look, not for a race. */
  private readonly atWork = new Map<Id, { readonly look: () => Promise<void>; asked: number }>();

  constructor(
    private readonly database: Database,
    private readonly placer: Placer,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Takes one task as far as it goes. Throws what an event's handler should answer with a redelivery. */
  async advance(taskId: Id): Promise<void> {
    const looks = this.atWork.get(taskId) ?? { look: coalesce(() => this.look(taskId)), asked: 0 };
    this.atWork.set(taskId, looks);
    looks.asked += 1;
    try {
      await looks.look();
    } finally {
      looks.asked -= 1;
      if (looks.asked === 0) this.atWork.delete(taskId);
    }
  }

  /** For the resync: a failure is counted on the row, which is parked at the cap. */
  async resync(taskId: Id): Promise<void> {
    try {
      await this.advance(taskId);
      await clearRow(this.database, 'task', taskId);
    } catch (error) {
      const { parked } = await failRow(this.database, 'task', taskId, error);
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

  private async look(taskId: Id): Promise<void> {
    const results = await advanceTask(this.database, taskId, Math.random);
    for (const result of results)
      if (result.kind === 'applied') this.logger.info({ taskId, transition: result.transition }, result.cause);
    if (results.some((result) => result.kind === 'applied' && TASK_TRANSITIONS[result.transition].to === 'queued'))
      await this.placer.wake();
  }
}
