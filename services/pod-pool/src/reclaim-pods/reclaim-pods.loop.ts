import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Database } from '@capstan/database';
import { CONFIG, Loops } from '@capstan/service-kit';
import type { PodPoolConfig } from '../pod-pool.config.js';
import { Provisioner } from '../provision-pod/provisioner.js';
import { markIdle, reclaimPods } from './reclaim-pods.apply.js';

/** Gives up pods that nobody needs. */
@Injectable()
export class ReclaimPodsLoop implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly loops: Loops,
    private readonly provisioner: Provisioner,
    @Inject(CONFIG) private readonly config: PodPoolConfig,
  ) {}

  onApplicationBootstrap(): void {
    const everyMs = Math.min(this.config.CAPSTAN_HEALTH_CHECK_INTERVAL_MS, this.config.CAPSTAN_REPO_POD_IDLE_MS);
    this.loops.every({
      name: 'reclaim pods',
      everyMs,
      pass: async () => {
        await markIdle(this.database);
        for (const podId of await reclaimPods(this.database, this.config.CAPSTAN_REPO_POD_IDLE_MS))
          await this.provisioner.step(podId);
      },
    });
  }
}
