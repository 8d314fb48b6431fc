import { Inject, Injectable, Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import type { Database } from '@capstan/database';
import type { FaultPort } from '@capstan/domain';
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
import { ImportHandler } from './import/import.handler.js';
import type { TicketSyncConfig } from './ticket-sync.config.js';
import { TicketSync } from './ticket-sync.js';

/** Lets what is at work finish when the service stops. */
@Injectable()
class TicketSyncEnd implements OnModuleDestroy {
  constructor(@Inject(TicketSync) private readonly sync: TicketSync) {}

  onModuleDestroy(): Promise<void> {
    return this.sync.close();
  }
}

/** The whole wiring of ticket-sync. */
@Module({})
export class TicketSyncModule {
  static with({ encryptionKey, intervalMs }: TicketSyncConfig): DynamicModule {
    return {
      module: TicketSyncModule,
      controllers: [ImportHandler],
      providers: [
        TicketSyncEnd,
        {
          provide: TicketSync,
          inject: [DATABASE, LOGGER, IDENTITY, Loops, METRICS, FAULTS],
          useFactory: (
            database: Database,
            logger: Logger,
            identity: Identity,
            loops: Loops,
            metrics: Metrics,
            faults: FaultPort,
          ) =>
            new TicketSync({
              database,
              vault: new Vault(database, encryptionKey),
              logger,
              loops,
              metrics,
              faults,
              owner: identity.instance,
              intervalMs,
            }),
        },
        {
          // Handlers only write a wake-up: the rows are found by the loops.
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
