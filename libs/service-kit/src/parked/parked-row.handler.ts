import {
  Controller,
  Inject,
  type DynamicModule,
  type InjectionToken,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Database } from '@capstan/database';
import type { ParkedOwner } from '@capstan/domain';
import { parkedRowRequested, type PayloadOf } from '@capstan/events';
import { Handles } from '@capstan/jetstream';
import { DATABASE, LOGGER } from '../boot/tokens.js';
import { Loops } from '../resync/loops.js';
import type { Logger } from '../telemetry/logger.js';
import { ParkedRequests, type ParkedVerbs } from './parked-requests.js';

const REQUESTS = Symbol('parked requests');

/** Wakes {@link ParkedRequests}: at once when something is asked, and by resync when the event was lost. */
@Controller()
export class ParkedRowHandler implements OnApplicationBootstrap {
  constructor(
    @Inject(REQUESTS) private readonly requests: ParkedRequests,
    @Inject(Loops) private readonly loops: Loops,
  ) {}

  onApplicationBootstrap(): void {
    this.loops.resync({
      name: 'parked requests',
      due: (limit) => this.requests.due(limit),
      handle: ({ id }) => this.requests.apply(id),
    });
  }

  /** Every service hears of every request; the row's owner alone applies it. */
  @Handles(parkedRowRequested)
  async requested({ requestId, owner }: PayloadOf<typeof parkedRowRequested>): Promise<void> {
    if (owner === this.requests.owner) await this.requests.apply(requestId);
  }
}

/**
 * What a service provides so that people can replay and drop its parked rows: the controller, which handles
 * `parked_row.requested` (list it in `consumes`), and its verbs.
 */
export function parkedRows<Tokens extends readonly InjectionToken[]>(
  owner: ParkedOwner,
  inject: Tokens,
  verbs: (...parts: never[]) => ParkedVerbs,
): Required<Pick<DynamicModule, 'controllers' | 'providers'>> {
  return {
    controllers: [ParkedRowHandler],
    providers: [
      {
        provide: REQUESTS,
        inject: [DATABASE, LOGGER, ...inject],
        useFactory: (database: Database, logger: Logger, ...parts: never[]) =>
          new ParkedRequests({ database, logger, owner, verbs: verbs(...parts) }),
      },
    ],
  };
}
