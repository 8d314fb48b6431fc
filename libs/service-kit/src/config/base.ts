import { z } from 'zod';

/** A whole number. Give limits in the unit that the variable's name ends in. */
export function integer({ min, max }: { readonly min: number; readonly max: number }) {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^-?\d{1,15}$/, expected)
    .transform(Number)
    .refine((value) => value >= min && value <= max, expected);
}

/** `true` or `false` (also 1, 0, yes, no, on, off). */
export function flag() {
  return z
    .enum(['true', 'false', '1', '0', 'yes', 'no', 'on', 'off'])
    .transform((value) => ['true', '1', 'yes', 'on'].includes(value));
}

const url = (protocols: RegExp, expected: string) =>
  z.string().refine((value) => URL.canParse(value) && protocols.test(value), `expected ${expected}`);

/** What every process of Capstan reads. A service adds its own with `baseConfig.extend({ … })`. */
export const baseConfig = z.object({
  CAPSTAN_DATABASE_URL: url(/^postgres(ql)?:\/\//, 'postgres://user:password@host:port/database').meta({
    description: 'Postgres 15 or newer',
    remedy: 'Set CAPSTAN_DATABASE_URL to postgres://user:password@host:port/database.',
    secret: true,
  }),
  CAPSTAN_DATABASE_POOL_SIZE: integer({ min: 2, max: 500 })
    .default(20)
    .meta({ description: 'Postgres connections of this process' }),
  CAPSTAN_DATABASE_PREPARED: flag().default(false).meta({
    description:
      'Prepare statements once per connection: less work for Postgres. Not behind a transaction pooler older than PgBouncer 1.21',
  }),
  CAPSTAN_DATABASE_TIMEOUT_MS: integer({ min: 1_000, max: 600_000 })
    .default(10_000)
    .meta({ description: 'How long a statement may take before Postgres counts as out of reach' }),
  CAPSTAN_STOP_GRACE_MS: integer({ min: 1_000, max: 3_600_000 })
    .default(15_000)
    .meta({ description: 'Time that the services have to end in after SIGTERM; what takes longer is left to others' }),
  CAPSTAN_NATS_URL: z
    .string()
    .regex(/^(nats|tls):\/\/\S+$/, 'expected nats://user:password@host:port')
    .meta({
      description: 'nats-server 2.10 or newer with JetStream; several addresses separated by commas',
      remedy: 'Set CAPSTAN_NATS_URL to nats://user:password@host:port.',
      secret: true,
    }),
  CAPSTAN_NATS_PREFIX: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'expected lower-case letters, digits, dashes and underscores')
    .default('capstan')
    .meta({ description: 'First word of every subject; lets two installations share a broker' }),
  CAPSTAN_NATS_REPLICAS: integer({ min: 1, max: 5 })
    .default(1)
    .meta({ description: 'Copies of the event stream in a NATS cluster' }),
  CAPSTAN_LOG_FORMAT: z.enum(['json', 'text']).default('json').meta({ description: 'Form of the log lines' }),
  CAPSTAN_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .meta({ description: 'Least important level that is logged' }),
  CAPSTAN_DATA_DIR: z
    .string()
    .default('.data')
    .meta({ description: 'Directory of everything that outlives a process' }),
  CAPSTAN_ENCRYPTION_KEY: z
    .string()
    .refine((value) => Buffer.from(value, 'base64').length === 32, 'expected 32 bytes in base64')
    .meta({
      description: 'Key that secrets are sealed with: 32 random bytes in base64',
      remedy: 'Make one with: openssl rand -base64 32',
      secret: true,
    }),
  CAPSTAN_INTERNAL_HOST: z
    .string()
    .default('127.0.0.1')
    .meta({ description: 'Address that health and metrics are served on; 0.0.0.0 in a container' }),
  CAPSTAN_INTERNAL_PORT: integer({ min: 0, max: 65_535 })
    .default(9464)
    .meta({ description: 'Port of health and metrics; 0 takes any free one' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .string()
    .regex(/^(https?:\/\/)?[^\s/]+(:\d+)?(\/\S*)?$/, 'expected host:port or http://host:port')
    .optional()
    .meta({ description: 'OpenTelemetry collector; unset turns tracing off' }),
  OTEL_EXPORTER_OTLP_PROTOCOL: z
    .enum(['grpc', 'http/protobuf'])
    .optional()
    .meta({ description: 'Unset: gRPC without a scheme or on port 4317, else HTTP' }),
  OTEL_EXPORTER_OTLP_INSECURE: flag().optional().meta({ description: 'Plain text to a collector without a scheme' }),
  OTEL_SERVICE_NAME: z.string().default('capstan').meta({ description: 'Name of this process in traces' }),
});
export type BaseConfig = z.infer<typeof baseConfig>;
