import { baseConfig, integer, keepDays, loadConfig, type Environment } from '@capstan/service-kit';
import { z } from 'zod';

/** webhooks' whole environment. */
export const webhooksConfig = baseConfig.extend({
  CAPSTAN_WEBHOOKS_PORT: integer({ min: 0, max: 65_535 }).default(4402).meta({
    description: 'Port that deliveries are taken on; the gateway passes /hooks/* on to it; 0 takes any free one',
  }),
  CAPSTAN_WEBHOOKS_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'Address that deliveries are taken on; 0.0.0.0 in a container' }),
  CAPSTAN_RETENTION_DELIVERY_DAYS: keepDays(14, 'deliveries of forges'),
});

export interface WebhooksConfig {
  readonly port: number;
  readonly host: string;
  readonly encryptionKey: string;
  readonly keepDeliveryDays: number;
}

/** The environment in webhooks' own words. Throws ConfigError with all faults. */
export function readWebhooksConfig(env: Environment): WebhooksConfig {
  const read = loadConfig(webhooksConfig, env);
  return {
    port: read.CAPSTAN_WEBHOOKS_PORT,
    host: read.CAPSTAN_WEBHOOKS_HOST,
    encryptionKey: read.CAPSTAN_ENCRYPTION_KEY,
    keepDeliveryDays: read.CAPSTAN_RETENTION_DELIVERY_DAYS,
  };
}
