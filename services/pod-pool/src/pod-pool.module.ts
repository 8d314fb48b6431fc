import { join, resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { createRuntime } from '@capstan/runtimes';
import { CONFIG } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import type { PodPoolConfig } from './pod-pool.config.js';
import { ProvisionPodHandler } from './provision-pod/provision-pod.handler.js';
import { Provisioner } from './provision-pod/provisioner.js';
import { ReclaimPodsLoop } from './reclaim-pods/reclaim-pods.loop.js';
import { ReclaimWorktreesLoop } from './reclaim-worktrees/reclaim-worktrees.loop.js';
import { RUNTIME } from './tokens.js';

@Module({
  controllers: [ProvisionPodHandler],
  providers: [
    Provisioner,
    ReclaimPodsLoop,
    ReclaimWorktreesLoop,
    {
      provide: RUNTIME,
      useFactory: (config: PodPoolConfig) =>
        createRuntime({
          kind: config.CAPSTAN_RUNTIME,
          directory: resolve(join(config.CAPSTAN_DATA_DIR, 'pods')),
          supervisorFile: supervisorFile(),
        }),
      inject: [CONFIG],
    },
  ],
})
export class PodPoolModule {}
