import 'reflect-metadata';
import { parkedRowRequested, podProvision } from '@capstan/events';
import { loadConfig, startService, type Host, type RunningService } from '@capstan/service-kit';
import { podPoolConfig } from './pod-pool.config.js';
import { PodPoolModule } from './pod-pool.module.js';

export const name = 'pod-pool';
export const config = podPoolConfig;

/** Starts the pod pool on a host. */
export function start(host: Host): Promise<RunningService> {
  return startService({
    name,
    module: PodPoolModule,
    host,
    config: loadConfig(config, host.env),
    consumes: [podProvision, parkedRowRequested],
  });
}
