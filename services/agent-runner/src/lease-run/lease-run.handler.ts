import { Controller } from '@nestjs/common';
import { runStart, runStop, type PayloadOf } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { RUNNER_CAPACITY } from './lease-run.loop.js';
import { RunnerPool } from './runner-pool.js';

/** What wakes a runner. `run.start` is acknowledged when the lease is committed, not when the agent is done. */
@Controller()
export class LeaseRunHandler {
  constructor(private readonly pool: RunnerPool) {}

  @Handles(runStart, { capacity: RUNNER_CAPACITY })
  async start({ runId }: PayloadOf<typeof runStart>): Promise<void> {
    await this.pool.lease({ runId, takeOver: false });
  }

  /** Whoever drives the run hears it at once; a run that nobody drives yet is leased in order to be ended. */
  @Handles(runStop)
  async stop({ runId }: PayloadOf<typeof runStop>): Promise<void> {
    this.pool.stop(runId);
    await this.pool.lease({ runId, takeOver: false });
  }
}
