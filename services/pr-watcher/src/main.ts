import 'reflect-metadata';
import { startService, type Host, type RunningService } from '@capstan/service-kit';
import { CONSUMES } from './follow/follow.handler.js';
import { prWatcherConfig, readPrWatcherConfig } from './pr-watcher.config.js';
import { PrWatcherModule } from './pr-watcher.module.js';

export const name = 'pr-watcher';
export { prWatcherConfig as config };

/** Publishes finished work, opens its pull request and follows it to the merge. */
export function start(host: Host): Promise<RunningService> {
  const config = readPrWatcherConfig(host.env);
  return startService({ name, module: PrWatcherModule.with(config), consumes: CONSUMES, config, host });
}
