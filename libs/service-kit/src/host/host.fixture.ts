import { randomBytes } from 'node:crypto';
import { migrate } from '@capstan/database';
import { ownNats, testDatabase, testNats, type OwnNats } from '@capstan/test-support';
import type { Environment } from '../config/config.js';
import { openHost, type Host } from './host.js';

export interface TestHost {
  readonly host: Host;
  readonly env: Environment;
  /** Lines of the log so far, parsed. */
  readonly log: readonly Record<string, unknown>[];
  /** Its own server when asked for. */
  readonly nats: OwnNats | undefined;
  close(): Promise<void>;
}

/** A host on a fresh database, for specs of this project. */
export async function testHost(
  options: { readonly ownBroker?: boolean; readonly env?: Environment } = {},
): Promise<TestHost> {
  const database = await testDatabase({ migrate });
  const nats = options.ownBroker ? await ownNats() : undefined;
  const shared = testNats();
  const log: Record<string, unknown>[] = [];
  const env: Environment = {
    CAPSTAN_DATABASE_URL: database.url,
    CAPSTAN_DATABASE_POOL_SIZE: '5',
    CAPSTAN_NATS_URL: nats?.url ?? shared.url,
    CAPSTAN_NATS_PREFIX: shared.prefix,
    CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    CAPSTAN_INTERNAL_PORT: '0',
    CAPSTAN_LOG_LEVEL: 'debug',
    ...options.env,
  };
  const host = await openHost({ env, write: (line) => log.push(JSON.parse(line) as Record<string, unknown>) });
  return {
    host,
    env,
    log,
    nats,
    close: async () => {
      if (host.broker.status().connected) await host.broker.keeper.destroy().catch(() => undefined);
      await host.close(500);
      await nats?.close();
      await database.close();
    },
  };
}
