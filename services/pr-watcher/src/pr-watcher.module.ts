import { join } from 'node:path';
import { Inject, Injectable, Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import type { Database } from '@capstan/database';
import { UserError, type FaultPort } from '@capstan/domain';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import {
  DATABASE,
  FAULTS,
  IDENTITY,
  LOGGER,
  Loops,
  METRICS,
  ON_EXHAUSTED,
  Vault,
  type Identity,
  type Logger,
  type Metrics,
} from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { FollowHandler } from './follow/follow.handler.js';
import { PodBundles } from './pod-bundle.js';
import type { PrWatcherConfig } from './pr-watcher.config.js';
import { Watcher, mirrorsDirectory } from './watcher.js';

/** Lets what is at work finish when the service stops. */
@Injectable()
class WatcherEnd implements OnModuleDestroy {
  constructor(@Inject(Watcher) private readonly watcher: Watcher) {}

  onModuleDestroy(): Promise<void> {
    return this.watcher.close();
  }
}

/** The whole wiring of pr-watcher. */
@Module({})
export class PrWatcherModule {
  static with(config: PrWatcherConfig): DynamicModule {
    return {
      module: PrWatcherModule,
      controllers: [FollowHandler],
      providers: [
        WatcherEnd,
        {
          provide: Watcher,
          inject: [DATABASE, LOGGER, IDENTITY, Loops, METRICS, FAULTS],
          useFactory: (
            database: Database,
            logger: Logger,
            identity: Identity,
            loops: Loops,
            metrics: Metrics,
            faults: FaultPort,
          ) =>
            new Watcher({
              database,
              vault: new Vault(database, config.encryptionKey),
              logger,
              loops,
              metrics,
              faults,
              owner: identity.instance,
              bundles: new PodBundles(database, runtimes(config), faults),
              mirrorsDirectory: mirrorsDirectory(config.dataDirectory),
              gitEnvironment: config.gitEnvironment,
              intervalMs: config.intervalMs,
            }),
        },
        {
          // Handlers only write a wake-up: the rows are found by the loops, and parked by the verbs.
          provide: ON_EXHAUSTED,
          inject: [LOGGER],
          useFactory: (logger: Logger) => async (event: { readonly name: string }, payload: unknown, error: unknown) =>
            logger.error(
              { event: event.name, payload, err: error },
              'an event was delivered too often; the loops go on',
            ),
        },
      ],
    };
  }
}

function runtimes({ dataDirectory }: PrWatcherConfig): (kind: string) => Runtime {
  const local = createRuntime({
    kind: 'local',
    directory: join(dataDirectory, 'pods'),
    supervisorFile: supervisorFile(),
  });
  return (kind) => {
    if (kind === local.kind) return local;
    throw new UserError(`unsupported runtime "${kind}"; expected ${local.kind}`, {
      code: 'runtime_unsupported',
      remedy: 'Run pr-watcher with the runtime that the pod was made with.',
    });
  };
}
