import 'reflect-metadata';
import {
  parkedRowRequested,
  podChanged,
  pullRequestChanged,
  repositoryChanged,
  runChanged,
  runFinished,
  secretChanged,
  taskChanged,
  taskCreated,
  taskRequested,
  workerChanged,
  workspaceChanged,
} from '@capstan/events';
import { loadConfig, startService, type Host, type RunningService } from '@capstan/service-kit';
import { schedulerConfig } from './scheduler.config.js';
import { SchedulerModule } from './scheduler.module.js';

export const name = 'scheduler';
export const config = schedulerConfig;

/** Starts the scheduler on a host. */
export function start(host: Host): Promise<RunningService> {
  return startService({
    name,
    module: SchedulerModule,
    host,
    config: loadConfig(config, host.env),
    consumes: [
      taskCreated,
      taskChanged,
      taskRequested,
      runChanged,
      runFinished,
      pullRequestChanged,
      podChanged,
      repositoryChanged,
      workspaceChanged,
      workerChanged,
      secretChanged,
      parkedRowRequested,
    ],
  });
}
