import 'reflect-metadata';
import { loadConfig, startService, Vault, type Host, type RunningService } from '@capstan/service-kit';
import { gatewayConfig, gatewayConfigSchema } from './gateway.config.js';
import { CONTROLLERS, GatewayModule } from './gateway.module.js';
import { openDoor } from './http/door.js';
import { assertEveryRouteServed } from './http/serves.js';

export const name = 'gateway';
export const config = gatewayConfigSchema;

/** Starts the gateway. Refuses a contract that isn't wholly served, and a key that the stored secrets don't know. */
export async function start(host: Host): Promise<RunningService> {
  const settings = gatewayConfig(loadConfig(gatewayConfigSchema, host.env));
  assertEveryRouteServed(CONTROLLERS);
  await new Vault(host.database, settings.encryptionKey).checkKey();
  return startService({
    name,
    module: GatewayModule,
    consumes: [],
    config: settings,
    host,
    http: {
      port: settings.port,
      host: settings.bind,
      bodyLimit: null,
      configure: (app) => openDoor(app, settings, host.logger),
    },
  });
}
