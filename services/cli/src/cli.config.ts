import { dirname, isAbsolute, join, resolve } from 'node:path';
import { UserError } from '@capstan/domain';
import { z } from 'zod';

/** The services that a host can run, in the order in which they start. */
export const SERVICES = [
  'scheduler',
  'pod-pool',
  'agent-runner',
  'pr-watcher',
  'ticket-sync',
  'webhooks',
  'egress',
  'gateway',
] as const;
export type ServiceName = (typeof SERVICES)[number];

const Port = z.coerce.number().int().min(1).max(65_535);
const List = z
  .string()
  .transform((text) => text.split(',').map((name) => name.trim()))
  .pipe(z.array(z.enum(SERVICES)).min(1));

/** Everything that the command, the launcher and the host read from the environment. */
const CliEnvironment = z.object({
  /** Where state lives; relative paths count from the directory that the command is called in. */
  CAPSTAN_DATA_DIR: z.string().min(1).optional(),
  /** Port of the dashboard and the API, on loopback. */
  CAPSTAN_PORT: Port.default(4400),
  /** Port on loopback of the webhooks service; the gateway passes /hooks/* on to it. Default: any free one. */
  CAPSTAN_WEBHOOKS_PORT: Port.optional(),
  /** Port on loopback where agents reach what is outside. Default: any free one, the same at every start. */
  CAPSTAN_EGRESS_PORT: Port.optional(),
  /** Port on loopback for health and metrics. Default: any free one. */
  CAPSTAN_INTERNAL_PORT: Port.optional(),
  /** A Postgres that runs already. */
  CAPSTAN_DATABASE_URL: z.string().min(1).optional(),
  /** A NATS server with JetStream that runs already. */
  CAPSTAN_NATS_URL: z.string().min(1).optional(),
  /** nats-server's file, when it is neither on PATH nor to be fetched. */
  NATS_SERVER_BIN: z.string().min(1).optional(),
  /** Key of the secrets: 32 bytes in base64. Default: a random one, kept in the data directory. */
  CAPSTAN_ENCRYPTION_KEY: z.string().min(1).optional(),
  /** Comma-separated; default: all. */
  CAPSTAN_SERVICES: List.optional(),
  /** For the client commands: the gateway's address, and an access token. Default: those of the data directory. */
  CAPSTAN_URL: z.url({ protocol: /^https?$/ }).optional(),
  CAPSTAN_TOKEN: z.string().min(1).optional(),
  PATH: z.string().default('/usr/local/bin:/usr/bin:/bin'),
  /** Set: no colours. */
  NO_COLOR: z.string().optional(),
});

export interface CliConfig {
  /** The project's root. */
  readonly rootDir: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly port: number;
  readonly webhooksPort: number | undefined;
  readonly egressPort: number | undefined;
  readonly internalPort: number | undefined;
  readonly databaseUrl: string | undefined;
  readonly natsUrl: string | undefined;
  readonly natsBinary: string | undefined;
  readonly encryptionKey: string | undefined;
  readonly services: readonly ServiceName[];
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly path: string;
  readonly colour: boolean;
  /** Characters of a line; undefined where standard output is no terminal. */
  readonly columns: number | undefined;
  /** The whole environment, for the host. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The configuration of this process. @throws UserError with every fault at once. */
export function cliConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  cwd: string = process.cwd(),
): CliConfig {
  // An empty variable means the same as none: `CAPSTAN_PORT= npm start`.
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = CliEnvironment.safeParse(set);
  if (!parsed.success) throw refusal(parsed.error, set);
  const values = parsed.data;
  const rootDir = findRoot();
  const dataDir = values.CAPSTAN_DATA_DIR ?? join(rootDir, '.data');
  return {
    rootDir,
    dataDir: isAbsolute(dataDir) ? dataDir : resolve(cwd, dataDir),
    port: values.CAPSTAN_PORT,
    webhooksPort: values.CAPSTAN_WEBHOOKS_PORT,
    egressPort: values.CAPSTAN_EGRESS_PORT,
    internalPort: values.CAPSTAN_INTERNAL_PORT,
    databaseUrl: values.CAPSTAN_DATABASE_URL,
    natsUrl: values.CAPSTAN_NATS_URL,
    natsBinary: values.NATS_SERVER_BIN,
    encryptionKey: values.CAPSTAN_ENCRYPTION_KEY,
    services: values.CAPSTAN_SERVICES ?? SERVICES,
    url: values.CAPSTAN_URL,
    token: values.CAPSTAN_TOKEN,
    path: values.PATH,
    colour: values.NO_COLOR === undefined && process.stdout.isTTY === true,
    columns: process.stdout.isTTY === true ? process.stdout.columns : undefined,
    environment,
  };
}

/** The launcher's refusal of this process's environment, with what its services would refuse in it, too. */
export async function launcherRefusal(refusal: unknown): Promise<unknown> {
  const { withFaultsOfServices } = await import('./environment-faults.js');
  return withFaultsOfServices(refusal, process.env);
}

/** services/cli/{src,dist} → the root. */
function findRoot(): string {
  return dirname(dirname(dirname(import.meta.dirname)));
}

const EXPECTED: Readonly<Record<string, string>> = {
  CAPSTAN_PORT: 'a port from 1 to 65535',
  CAPSTAN_WEBHOOKS_PORT: 'a port from 1 to 65535',
  CAPSTAN_EGRESS_PORT: 'a port from 1 to 65535',
  CAPSTAN_INTERNAL_PORT: 'a port from 1 to 65535',
  CAPSTAN_SERVICES: `a comma-separated list of ${SERVICES.join(', ')}`,
  CAPSTAN_URL: 'http://host:port or https://host',
};

/** Only variables whose values are no secrets are in the list above, so that they can be repeated. */
function refusal(error: z.ZodError, values: Readonly<Record<string, string | undefined>>): UserError {
  const fields = [...new Set(error.issues.map((issue) => String(issue.path[0] ?? '')))];
  const issues = fields.map((field) => ({
    field,
    message: `unsupported ${field} "${values[field] ?? ''}"; expected ${EXPECTED[field] ?? 'another value'}`,
  }));
  return new UserError(issues.map(({ message }) => message).join('\n'), {
    code: 'config_invalid',
    field: fields[0] ?? '',
    remedy: fields.length === 1 ? 'Correct this variable, or unset it.' : 'Correct these variables, or unset them.',
    issues,
  });
}
