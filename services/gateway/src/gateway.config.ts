import { join } from 'node:path';
import { baseConfig, flag, integer, keepDays } from '@capstan/service-kit';
import { z } from 'zod';

const httpUrl = () =>
  z.string().refine((value) => URL.canParse(value) && /^https?:\/\//.test(value), 'expected http://… or https://…');
const token = (description: string) =>
  z
    .string()
    .min(20)
    .max(200)
    .optional()
    .meta({ description, secret: true, remedy: 'Make one with: openssl rand -hex 32' });

/** The gateway's whole environment. Secrets may be given as a file too: `<NAME>_FILE`. */
export const gatewayConfigSchema = baseConfig.extend({
  CAPSTAN_PORT: integer({ min: 0, max: 65_535 })
    .default(4400)
    .meta({ description: 'Port of the public door: API, dashboard, live updates, deliveries; 0 takes any free one' }),
  CAPSTAN_BIND: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'Address of the public door; anything but loopback wants TLS before it' }),
  CAPSTAN_PUBLIC_URL: httpUrl()
    .optional()
    .meta({ description: 'Where people and forges reach the gateway; default http://127.0.0.1:<port>' }),
  CAPSTAN_ALLOWED_HOSTS: z
    .string()
    .default('')
    .meta({ description: 'Further host names that are served, separated by commas' }),
  CAPSTAN_TRUSTED_PROXIES: integer({ min: 0, max: 10 })
    .default(0)
    .meta({ description: 'Proxies before the gateway whose X-Forwarded-For is believed' }),
  CAPSTAN_WEB_DIR: z
    .string()
    .default(join(import.meta.dirname, '../../../web/build'))
    .meta({ description: 'Directory of the built dashboard' }),
  CAPSTAN_WEBHOOKS_URL: httpUrl().optional().meta({ description: 'Where /hooks/* is passed on to' }),
  CAPSTAN_WEBHOOKS_PORT: integer({ min: 1, max: 65_535 })
    .default(4402)
    .meta({ description: 'Port of the webhooks service on this machine, where CAPSTAN_WEBHOOKS_URL is not set' }),
  CAPSTAN_SETUP_TOKEN: token('One-time token that allows the first set-up'),
  CAPSTAN_CLI_TOKEN: token("Token of this machine's terminal; acts as the first user, over loopback only"),
  CAPSTAN_PUBLIC_RATE_PER_MINUTE: integer({ min: 1, max: 1_000_000 })
    .default(240)
    .meta({ description: 'Requests per minute and address to routes that need no session' }),
  CAPSTAN_STRICT_ANSWERS: flag()
    .optional()
    .meta({ description: 'Hold each answer against the contract; for development and tests' }),
  CAPSTAN_RETENTION_AUDIT_DAYS: keepDays(400, 'lines of the audit'),
  CAPSTAN_RETENTION_IDEMPOTENCY_DAYS: keepDays(2, 'answers to requests with an Idempotency-Key'),
  CAPSTAN_RETENTION_REQUEST_DAYS: keepDays(30, 'answered requests of tasks that have ended'),
});

/** The environment in the gateway's own words. */
export interface GatewayConfig {
  readonly port: number;
  readonly bind: string;
  /** Without a slash at the end; null where it follows from the port. */
  readonly publicUrl: string | null;
  readonly allowedHosts: readonly string[];
  readonly trustedProxies: number;
  readonly webDir: string;
  readonly webhooksUrl: string;
  readonly setUpToken: string | null;
  readonly cliToken: string | null;
  readonly encryptionKey: string;
  readonly publicRatePerMinute: number;
  readonly strictAnswers: boolean;
  /** How long rows are kept, in days. */
  readonly keepDays: { readonly audit: number; readonly idempotency: number; readonly request: number };
}

export function gatewayConfig(env: z.output<typeof gatewayConfigSchema>): GatewayConfig {
  const trimmed = (url: string) => url.replace(/\/+$/, '');
  return {
    port: env.CAPSTAN_PORT,
    bind: env.CAPSTAN_BIND,
    publicUrl: env.CAPSTAN_PUBLIC_URL === undefined ? null : trimmed(env.CAPSTAN_PUBLIC_URL),
    allowedHosts: env.CAPSTAN_ALLOWED_HOSTS.split(',')
      .map((name) => name.trim().toLowerCase())
      .filter(Boolean),
    trustedProxies: env.CAPSTAN_TRUSTED_PROXIES,
    webDir: env.CAPSTAN_WEB_DIR,
    webhooksUrl: trimmed(env.CAPSTAN_WEBHOOKS_URL ?? `http://127.0.0.1:${env.CAPSTAN_WEBHOOKS_PORT}`),
    setUpToken: env.CAPSTAN_SETUP_TOKEN ?? null,
    cliToken: env.CAPSTAN_CLI_TOKEN ?? null,
    encryptionKey: env.CAPSTAN_ENCRYPTION_KEY,
    publicRatePerMinute: env.CAPSTAN_PUBLIC_RATE_PER_MINUTE,
    strictAnswers: env.CAPSTAN_STRICT_ANSWERS ?? false,
    keepDays: {
      audit: env.CAPSTAN_RETENTION_AUDIT_DAYS,
      idempotency: env.CAPSTAN_RETENTION_IDEMPOTENCY_DAYS,
      request: env.CAPSTAN_RETENTION_REQUEST_DAYS,
    },
  };
}
