import { baseConfig, integer, loadConfig, type Environment } from '@capstan/service-kit';

/** ticket-sync's whole environment. */
export const ticketSyncConfig = baseConfig.extend({
  CAPSTAN_TICKET_POLL_INTERVAL_MS: integer({ min: 100, max: 3_600_000 })
    .default(30_000)
    .meta({ description: 'Pace at which each source of tickets is polled, ms; deliveries wake it sooner' }),
});

export interface TicketSyncConfig {
  readonly encryptionKey: string;
  readonly intervalMs: number;
}

/** The environment in ticket-sync's own words. Throws ConfigError with all faults. */
export function readTicketSyncConfig(env: Environment): TicketSyncConfig {
  const read = loadConfig(ticketSyncConfig, env);
  return { encryptionKey: read.CAPSTAN_ENCRYPTION_KEY, intervalMs: read.CAPSTAN_TICKET_POLL_INTERVAL_MS };
}
