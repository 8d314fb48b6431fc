import { resolve } from 'node:path';
import { baseConfig, integer, loadConfig, type Environment } from '@capstan/service-kit';
import { z } from 'zod';

/** pr-watcher's whole environment. */
export const prWatcherConfig = baseConfig.extend({
  CAPSTAN_PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ description: 'Where people reach the dashboard, for links to tasks; default http://127.0.0.1:<port>' }),
  CAPSTAN_PORT: integer({ min: 0, max: 65_535 }).default(4400).meta({ description: 'Port of the public door' }),
  CAPSTAN_PR_WATCH_INTERVAL_MS: integer({ min: 100, max: 3_600_000 }).default(30_000).meta({
    description:
      'Pace at which open pull requests are looked at, ms. Events wake it sooner; where a webhook tells of everything, quiet ones are looked at every 11 min',
  }),
});

/** What git needs of the machine; everything else stays outside. */
const GIT_VARIABLES = [
  'PATH',
  'TMPDIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
] as const;

export interface PrWatcherConfig {
  readonly dataDirectory: string;
  readonly encryptionKey: string;
  readonly intervalMs: number;
  readonly publicUrl: string;
  readonly gitEnvironment: Readonly<Record<string, string>>;
}

/** The environment in pr-watcher's own words. Throws ConfigError with all faults. */
export function readPrWatcherConfig(env: Environment): PrWatcherConfig {
  const read = loadConfig(prWatcherConfig, env);
  const known = GIT_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return {
    dataDirectory: resolve(read.CAPSTAN_DATA_DIR),
    encryptionKey: read.CAPSTAN_ENCRYPTION_KEY,
    intervalMs: read.CAPSTAN_PR_WATCH_INTERVAL_MS,
    publicUrl: (read.CAPSTAN_PUBLIC_URL ?? `http://127.0.0.1:${read.CAPSTAN_PORT}`).replace(/\/+$/, ''),
    gitEnvironment: Object.fromEntries(known),
  };
}
