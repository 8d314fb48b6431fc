import { Controller } from '@nestjs/common';
import { isEnded } from '@capstan/domain';
import { pullRequestChanged, runChanged, runFinished, taskChanged, taskCreated, type PayloadOf } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { Placer } from '../place-task/place-task.loop.js';
import { Advancer } from './advancer.js';

/** What wakes a task's next step. */
@Controller()
export class AdvanceTaskHandler {
  constructor(
    private readonly advancer: Advancer,
    private readonly placer: Placer,
  ) {}

  @Handles(taskCreated)
  async created({ taskId }: PayloadOf<typeof taskCreated>): Promise<void> {
    await this.placer.wake();
    await this.advancer.advance(taskId);
  }

  @Handles(taskChanged)
  async changed({ taskId, state }: PayloadOf<typeof taskChanged>): Promise<void> {
    if (isEnded(state))
      for (const dependent of await this.advancer.dependents(taskId)) await this.advancer.advance(dependent);
    // A place is freed by a run's end, which is told by itself.
    if (state === 'queued') await this.placer.wake();
    if (state === 'pr_opened' || state === 'waiting') await this.advancer.advance(taskId);
  }

  @Handles(runChanged)
  async runChanged({ taskId, state }: PayloadOf<typeof runChanged>): Promise<void> {
    if (state === 'running') await this.advancer.advance(taskId);
  }

  @Handles(runFinished)
  async runFinished({ taskId }: PayloadOf<typeof runFinished>): Promise<void> {
    await this.placer.wake();
    await this.advancer.advance(taskId);
  }

  @Handles(pullRequestChanged)
  async pullRequestChanged({ taskId }: PayloadOf<typeof pullRequestChanged>): Promise<void> {
    await this.advancer.advance(taskId);
  }
}
