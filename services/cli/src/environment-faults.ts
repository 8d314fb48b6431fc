import { randomBytes } from 'node:crypto';
import { UserError } from '@capstan/domain';
import { ConfigError, assertConfigs, baseConfig, type ConfigFault } from '@capstan/service-kit';
import { z } from 'zod';
import { SERVICES } from './cli.config.js';

const Main = z.object({ config: z.instanceof(z.ZodObject) });

/**
 * What the launcher refuses, and whatever the services would refuse after it: a person corrects everything at once.
 * Anything but a refused configuration is answered as it is.
 */
export async function withFaultsOfServices(
  refusal: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<unknown> {
  if (!(refusal instanceof UserError) || refusal.issues.length === 0) return refusal;
  const named = new Set(refusal.issues.map(({ field }) => field));
  const others = (await faultsOfServices(environment)).filter(({ variable }) => !named.has(variable));
  if (others.length === 0) return refusal;
  const own = refusal.issues.map(({ field, message }) => ({
    variable: field,
    reason: message,
    remedy: `Correct ${field}, or unset it.`,
  }));
  return new ConfigError([...own, ...others]);
}

async function faultsOfServices(environment: Readonly<Record<string, string | undefined>>): Promise<ConfigFault[]> {
  const mains = await Promise.all(
    SERVICES.map(async (name) => Main.safeParse(await import(`@capstan/${name}`).catch(() => undefined))),
  );
  const schemas = mains.flatMap((main) => (main.success ? [main.data.config] : []));
  try {
    assertConfigs([baseConfig, ...schemas], { ...givenByLauncher(), ...environment });
    return [];
  } catch (error) {
    return error instanceof ConfigError ? [...error.faults] : [];
  }
}

/** What the launcher sets for its host: not the person's to give. */
function givenByLauncher(): Readonly<Record<string, string>> {
  const secret = () => randomBytes(32).toString('base64');
  return {
    CAPSTAN_DATABASE_URL: 'postgres://capstan@127.0.0.1/capstan',
    CAPSTAN_NATS_URL: 'nats://127.0.0.1',
    CAPSTAN_ENCRYPTION_KEY: secret(),
    CAPSTAN_SETUP_TOKEN: secret(),
    CAPSTAN_CLI_TOKEN: secret(),
    CAPSTAN_PORT: '4400',
    CAPSTAN_WEBHOOKS_PORT: '4401',
    CAPSTAN_INTERNAL_PORT: '4402',
    CAPSTAN_EGRESS_PORT: '4403',
  };
}
