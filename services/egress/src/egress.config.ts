import { join } from 'node:path';
import { baseConfig, integer, loadConfig, logInSettings, type Environment } from '@capstan/service-kit';
import { z } from 'zod';
import { hostRules, type HostRule } from './forward/host-rule.js';

/** egress' whole environment. */
export const egressConfig = baseConfig.extend({
  CAPSTAN_EGRESS_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'Address that agents reach egress on; 0.0.0.0 in a container' }),
  CAPSTAN_EGRESS_PORT: integer({ min: 0, max: 65_535 })
    .default(4403)
    .meta({ description: 'Port that agents reach egress on; 0 takes any free one' }),
  CAPSTAN_EGRESS_SOCKET: z.string().optional().meta({
    description:
      'Unix socket that isolated pods of this machine reach egress on, alone in its directory, which they see; egress/egress.sock of CAPSTAN_DATA_DIR if unset',
  }),
  CAPSTAN_EGRESS_PRIVATE_HOSTS: z
    .string()
    .default('')
    .refine((text) => hostRules(text.split(',')).faults.length === 0, 'expected hosts such as npm.corp.example:8443')
    .meta({
      description:
        'Hosts that may have private addresses, e.g. a registry of the house, separated by commas; a repository still has to allow them',
    }),
  ...logInSettings,
  CAPSTAN_CREDENTIAL_CHECK_INTERVAL_MS: integer({ min: 10_000, max: 86_400_000 }).default(300_000).meta({
    description: 'How often a provider is asked whether a credential is still good',
  }),
});

export interface EgressConfig {
  readonly host: string;
  readonly port: number;
  readonly socket: string;
  readonly privateHosts: readonly HostRule[];
  readonly encryptionKey: string;
  readonly logInHome?: string | undefined;
  readonly credentialCheckMs: number;
}

/** The environment in egress' own words. Throws ConfigError with all faults. */
export function readEgressConfig(env: Environment): EgressConfig {
  const read = loadConfig(egressConfig, env);
  return {
    host: read.CAPSTAN_EGRESS_HOST,
    port: read.CAPSTAN_EGRESS_PORT,
    socket: read.CAPSTAN_EGRESS_SOCKET ?? join(read.CAPSTAN_DATA_DIR, 'egress', 'egress.sock'),
    privateHosts: hostRules(read.CAPSTAN_EGRESS_PRIVATE_HOSTS.split(',')).rules,
    encryptionKey: read.CAPSTAN_ENCRYPTION_KEY,
    logInHome: read.CAPSTAN_LOGIN_HOME,
    credentialCheckMs: read.CAPSTAN_CREDENTIAL_CHECK_INTERVAL_MS,
  };
}
