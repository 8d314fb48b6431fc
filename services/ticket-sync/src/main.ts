import 'reflect-metadata';
import { startService, type Host, type RunningService } from '@capstan/service-kit';
import { CONSUMES } from './import/import.handler.js';
import { readTicketSyncConfig, ticketSyncConfig } from './ticket-sync.config.js';
import { TicketSyncModule } from './ticket-sync.module.js';

export const name = 'ticket-sync';
export { ticketSyncConfig as config };

/** Brings tickets in as tasks, says on them how it goes and closes them. */
export function start(host: Host): Promise<RunningService> {
  const config = readTicketSyncConfig(host.env);
  return startService({ name, module: TicketSyncModule.with(config), consumes: CONSUMES, config, host });
}
