import { Inject, Injectable, Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { parkRow, type Database } from '@capstan/database';
import type { ExhaustedHook } from '@capstan/jetstream';
import type { FaultPort } from '@capstan/domain';
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

/** Handlers only write a wake-up: the rows are found by the loops. Only a delivery that can't be read has no row of theirs. */
const parkExhausted =
  (database: Database, logger: Logger): ExhaustedHook =>
  async (event, payload, error) => {
    const { deliveryId } = payload as { readonly deliveryId?: string };
    if (deliveryId !== undefined) await parkRow(database, 'delivery', deliveryId, error);
    logger.error({ event: event.name, payload, err: error }, 'an event was delivered too often; the loops go on');
  };

const parked = parkedRows('ticket-sync', [TicketSync], (sync: TicketSync) => sync.parked);

/** The whole wiring of ticket-sync. */
@Module({})
export class TicketSyncModule {
  static with({ encryptionKey, intervalMs }: TicketSyncConfig): DynamicModule {
    return {
      module: TicketSyncModule,
      controllers: [ImportHandler, ...parked.controllers],
      providers: [
        ...parked.providers,
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
          provide: ON_EXHAUSTED,
          inject: [DATABASE, LOGGER],
          useFactory: parkExhausted,
        },
      ],
    };
  }
}
