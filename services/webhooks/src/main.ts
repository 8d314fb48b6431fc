import 'reflect-metadata';
import { parkedRowRequested } from '@capstan/events';
import { Vault, startService, type Host, type RunningService } from '@capstan/service-kit';
import { deliveries } from './receive/deliveries.js';
import { readWebhooksConfig, webhooksConfig } from './webhooks.config.js';
import { WebhooksModule } from './webhooks.module.js';

export const name = 'webhooks';
export { webhooksConfig as config };

/** Takes, verifies and stores what forges deliver. */
export function start(host: Host): Promise<RunningService> {
  const config = readWebhooksConfig(host.env);
  const { database } = host;
  const vault = new Vault(database, config.encryptionKey);
  const logger = host.logger.child({ service: name });
  const intake = deliveries({ database, vault, logger });
  const http = { port: config.port, host: config.host, before: [intake] };
  return startService({ name, module: WebhooksModule, consumes: [parkedRowRequested], config, host, http });
}
