import { join, resolve } from 'node:path';
import { Module } from '@nestjs/common';
import { createRuntime } from '@capstan/runtimes';
import { CONFIG, localIsolation, parkedRows } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import type { PodPoolConfig } from './pod-pool.config.js';
import { parkedVerbs } from './parked/parked-rows.apply.js';
import { ForgetLoop } from './forget/forget.loop.js';
import { ProvisionPodHandler } from './provision-pod/provision-pod.handler.js';
import { Provisioner } from './provision-pod/provisioner.js';
import { ReclaimPodsLoop } from './reclaim-pods/reclaim-pods.loop.js';
import { ReclaimWorktreesLoop } from './reclaim-worktrees/reclaim-worktrees.loop.js';
import { RUNTIME } from './tokens.js';

const parked = parkedRows('pod-pool', [Provisioner], (provisioner: Provisioner) =>
  parkedVerbs((podId) => provisioner.step(podId)),
);

@Module({
  controllers: [ProvisionPodHandler, ...parked.controllers],
  providers: [
    ...parked.providers,
    Provisioner,
    ReclaimPodsLoop,
    ReclaimWorktreesLoop,
    ForgetLoop,
    {
      provide: RUNTIME,
      useFactory: (config: PodPoolConfig) =>
        createRuntime({
          kind: config.CAPSTAN_RUNTIME,
          directory: resolve(join(config.CAPSTAN_DATA_DIR, 'pods')),
          supervisorFile: supervisorFile(),
          isolation: localIsolation(config),
        }),
      inject: [CONFIG],
    },
  ],
})
export class PodPoolModule {}
