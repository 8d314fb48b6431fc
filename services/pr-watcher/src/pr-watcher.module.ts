import { join } from 'node:path';
import { Inject, Injectable, Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { parkRow, type Database } from '@capstan/database';
import { UserError, type FaultPort } from '@capstan/domain';
import type { ExhaustedHook } from '@capstan/jetstream';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import {
  DATABASE,
  FAULTS,
  IDENTITY,
  LOGGER,
  Loops,
  METRICS,
  ON_EXHAUSTED,
  parkedRows,
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

/**
 * Handlers only write a wake-up: the rows are found by the loops, and parked by the verbs. Only a delivery that can't
 * be read has no row that a loop would find.
 */
const parkExhausted =
  (database: Database, logger: Logger): ExhaustedHook =>
  async (event, payload, error) => {
    const { deliveryId } = payload as { readonly deliveryId?: string };
    if (deliveryId !== undefined) await parkRow(database, 'delivery', deliveryId, error);
    logger.error({ event: event.name, payload, err: error }, 'an event was delivered too often; the loops go on');
  };

const parked = parkedRows('pr-watcher', [Watcher], (watcher: Watcher) => watcher.parked);

/** The whole wiring of pr-watcher. */
@Module({})
export class PrWatcherModule {
  static with(config: PrWatcherConfig): DynamicModule {
    return {
      module: PrWatcherModule,
      controllers: [FollowHandler, ...parked.controllers],
      providers: [
        ...parked.providers,
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
              publicUrl: config.publicUrl,
              gitEnvironment: config.gitEnvironment,
              intervalMs: config.intervalMs,
            }),
        },
        {
          provide: ON_EXHAUSTED,
          inject: [DATABASE, LOGGER],
          useFactory: parkExhausted,
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
