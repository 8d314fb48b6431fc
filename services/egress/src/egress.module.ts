import {
  Inject,
  Injectable,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { Database } from '@capstan/database';
import { DATABASE, LOGGER, Loops, METRICS, Vault, type Logger, type Metrics } from '@capstan/service-kit';
import { Reach } from './address/reach.js';
import { systemResolver } from './address/resolver.js';
import type { EgressConfig } from './egress.config.js';
import { Egress } from './egress.js';
import { askPermissions } from './provider/forge-permissions.js';
import { askProvider } from './provider/ask-provider.js';
import { RECORD_EVERY_MS } from './record/record.loop.js';
import { VerifyCredentialHandler } from './verify-credential/verify-credential.handler.js';
import { CredentialVerifier } from './verify-credential/verify-credential.loop.js';

/** Within this what a run has open ends after it. ms */
const END_OVER_EVERY_MS = 2_000;

/** The server and its loops live as long as the service. */
@Injectable()
class EgressLife implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    @Inject(Egress) private readonly egress: Egress,
    @Inject(Loops) private readonly loops: Loops,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.egress.server.open();
    this.loops.every({ name: 'record', everyMs: RECORD_EVERY_MS, pass: () => this.egress.record() });
    this.loops.every({ name: 'end what is over', everyMs: END_OVER_EVERY_MS, pass: () => this.egress.endOver() });
  }

  onModuleDestroy(): Promise<void> {
    return this.egress.close();
  }
}

/** The whole wiring of egress. */
@Module({})
export class EgressModule {
  static with(config: EgressConfig): DynamicModule {
    return {
      module: EgressModule,
      controllers: [VerifyCredentialHandler],
      providers: [
        EgressLife,
        {
          provide: Egress,
          inject: [DATABASE, LOGGER, METRICS],
          useFactory: (database: Database, logger: Logger, metrics: Metrics) =>
            new Egress({ config, database, logger, metrics, resolve: systemResolver() }),
        },
        {
          provide: CredentialVerifier,
          inject: [DATABASE, LOGGER],
          useFactory: (database: Database, logger: Logger) =>
            new CredentialVerifier({
              ...{ database, logger },
              vault: new Vault(database, config.encryptionKey),
              askPermissions: askPermissions(database),
              ask: askProvider(new Reach(systemResolver(), config.privateHosts)),
              everyMs: config.credentialCheckMs,
            }),
        },
      ],
    };
  }
}
