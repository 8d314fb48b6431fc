import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LEASE_RENEW_MS, LEASE_SWEEP_MS } from '@capstan/domain';
import { Loops } from '@capstan/service-kit';
import { RunnerPool } from './runner-pool.js';

/** Token of how many messages the runner can take: its free places. */
export const RUNNER_CAPACITY = Symbol('runner capacity');

/** While no run is open: well below a lease's length, so that none can be made and run out in between. ms */
const QUIET_SWEEP_MS = 2_000;
/** Past the moment itself, by any rounding. ms */
const AFTER_EXPIRY_MS = 5;
const HEARTBEAT_MS = 2_500;
const STALL_CHECK_MS = 5_000;

/** Heartbeat, renewal and the sweep for leases that ran out. */
@Injectable()
export class LeaseRunLoop implements OnApplicationBootstrap {
  constructor(
    private readonly loops: Loops,
    private readonly pool: RunnerPool,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // Its row comes first, then the news of it; should Postgres be away just now, both come with the outage's end.
    let announced = false;
    const beat = this.loops.every({
      name: 'heartbeat',
      everyMs: HEARTBEAT_MS,
      pass: async () => {
        await this.pool.heartbeat();
        if (!announced) await this.pool.announce();
        announced = true;
      },
    });
    // A runner that is ready can be seen.
    await beat.wake();
    this.loops.every({ name: 'renew leases', everyMs: LEASE_RENEW_MS, pass: () => this.pool.renew() });
    this.loops.every({
      name: 'lease',
      everyMs: LEASE_SWEEP_MS,
      quietMs: QUIET_SWEEP_MS,
      pass: async () => {
        await this.pool.sweep();
        const { quiet, nextMs } = this.pool;
        if (quiet) return 'nothing';
        // A lease that runs out is noticed in that moment; one that is renewed meanwhile costs a look in vain.
        return nextMs === null || nextMs <= 0 ? undefined : { withinMs: nextMs + AFTER_EXPIRY_MS };
      },
    });
    this.loops.every({ name: 'stalled', everyMs: STALL_CHECK_MS, pass: () => this.pool.markStalled() });
  }
}
