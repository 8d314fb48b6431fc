import type { Database } from '@capstan/database';
import { isSymptomCode, noFaults, type FaultPort } from '@capstan/domain';
import { connectBroker, type Broker } from '@capstan/jetstream';
import type { z } from 'zod';
import type { RunningService } from '../boot/start-service.js';
import { Grace } from '../boot/grace.js';
import { baseConfig, type BaseConfig } from '../config/base.js';
import { assertConfigs, loadConfig, type Environment } from '../config/config.js';
import { Health, type CheckFault } from '../health/health.js';
import { openInternalServer } from '../health/internal-server.js';
import { Relay } from '../relay/relay.js';
import { openTracing } from '../telemetry/collector.js';
import { openLogger, type Logger } from '../telemetry/logger.js';
import { Metrics } from '../telemetry/metrics.js';
import { measureProcess } from '../telemetry/process-metrics.js';
import { openDatabase, requireSchema } from './open-database.js';
import { waitFor } from './wait-for.js';

/** What each connection of the process gets to close in order. ms */
const CLOSE_WITHIN_MS = 3_000;

/** What a service's `main.ts` exports. Its module namespace is passed to {@link Host.start} as it is. */
export interface ServiceMain {
  /** Its directory's name, e.g. `pod-pool`. */
  readonly name: string;
  /** Everything that it reads from the environment. */
  readonly config: z.ZodObject;
  start(host: Host): Promise<RunningService>;
}

export interface HostOptions {
  readonly env: Environment;
  /** The services that will be started: the faults of their configurations are all found before anything opens. */
  readonly services?: readonly ServiceMain[];
  /** Where log lines go; standard output by default. */
  readonly write?: (line: string) => void;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
  /** Told of each passage of a fault point. Default: nobody listens. */
  readonly faults?: FaultPort;
}

/** One process: a pool, a connection to NATS and a port for health and metrics, shared by its services. */
export interface Host {
  readonly env: Environment;
  readonly config: BaseConfig;
  readonly logger: Logger;
  readonly database: Database;
  readonly broker: Broker;
  readonly health: Health;
  readonly metrics: Metrics;
  /** Of health and metrics. */
  readonly internalUrl: string;
  readonly faults: FaultPort;
  readonly services: readonly RunningService[];
  /**
   * Starts one more service; while it fails with TransientError (Postgres or NATS went just now) it is tried again,
   * and the service's check says why. What it throws has left nothing of it behind.
   */
  start(main: ServiceMain): Promise<RunningService>;
  /**
   * Readiness fails at once; then intake is closed, the other services all together, relay, NATS, Postgres, telemetry.
   * The services share `graceMs` (default: CAPSTAN_STOP_GRACE_MS). A second call waits for the first.
   */
  close(graceMs?: number): Promise<void>;
}

/**
 * Opens a host: checks the whole configuration, then waits for Postgres, its schema and NATS, saying what it waits
 * for; health answers from the first moment, readiness once everything is there.
 * @throws ConfigError; UserError for a server that can't be used (too old, refused).
 */
export async function openHost(options: HostOptions): Promise<Host> {
  const { env, services = [], signal, faults = noFaults } = options;
  assertConfigs([baseConfig, ...services.map(({ config }) => config)], env);
  const config = loadConfig(baseConfig, env);
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    // An outage of NATS or Postgres doesn't keep a process from ending.
    for (const close of closers.splice(0).reverse())
      await new Grace(CLOSE_WITHIN_MS).wait('a connection', Promise.resolve(close()));
  };
  const logger = openLogger({
    format: config.CAPSTAN_LOG_FORMAT,
    level: config.CAPSTAN_LOG_LEVEL,
    secrets: secretsOf(config),
    ...(options.write ? { write: options.write } : {}),
  });
  try {
    const tracing = await openTracing(
      {
        endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
        protocol: config.OTEL_EXPORTER_OTLP_PROTOCOL,
        insecure: config.OTEL_EXPORTER_OTLP_INSECURE,
        serviceName: config.OTEL_SERVICE_NAME,
      },
      logger,
    );
    closers.push(() => tracing.close());
    const metrics = new Metrics();
    closers.push(measureProcess(metrics));
    const health = new Health();
    const internal = await openInternalServer({
      host: config.CAPSTAN_INTERNAL_HOST,
      port: config.CAPSTAN_INTERNAL_PORT,
      health,
      metrics,
    });
    closers.push(() => internal.close());
    logger.info({ url: internal.url }, 'health and metrics are up');
    const { database, broker } = await openBackends({
      config,
      logger,
      health,
      metrics,
      signal,
      faults,
      closers,
    });
    return hostOf(
      { env, config, logger, database, broker, health, metrics, internalUrl: internal.url, faults },
      closeAll,
      signal,
    );
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Also as they stand percent-encoded in a URL. */
function secretsOf(config: BaseConfig): string[] {
  const urls = [config.CAPSTAN_DATABASE_URL, ...config.CAPSTAN_NATS_URL.split(',')].filter((url) => URL.canParse(url));
  const passwords = urls.map((url) => new URL(url).password).filter(Boolean);
  return [config.CAPSTAN_ENCRYPTION_KEY, ...passwords, ...passwords.map(decodeURIComponent)];
}

interface Backends {
  readonly config: BaseConfig;
  readonly logger: Logger;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly signal: AbortSignal | undefined;
  readonly faults: FaultPort;
  readonly closers: (() => Promise<void> | void)[];
}

/** Something that this process waits for while it starts, told by a check of that name. */
function waitingCheck(
  { health, logger }: Pick<Host, 'health' | 'logger'>,
  name: string,
  signal: AbortSignal | undefined,
) {
  const waiting: { fault: CheckFault } = { fault: { code: 'starting', reason: 'it is being started' } };
  const done = health.add(name, () => waiting.fault);
  const wait = <T>(what: string, attempt: () => Promise<T>) =>
    waitFor(
      {
        what,
        logger,
        signal,
        onWait: ({ code, message, remedy }) =>
          (waiting.fault = {
            code: isSymptomCode(code) ? code : 'starting',
            reason: `waiting for ${what}: ${message}`,
            ...(remedy === undefined ? {} : { remedy }),
          }),
      },
      attempt,
    );
  return { wait, done };
}

/** What was there when the host opened may go while its services start. */
async function patiently<T>(
  parts: Pick<Host, 'health' | 'logger'>,
  signal: AbortSignal | undefined,
  service: string,
  start: () => Promise<T>,
): Promise<T> {
  const { wait, done } = waitingCheck(parts, `service:${service}`, signal);
  try {
    return await wait(`what ${service} needs`, start);
  } finally {
    done();
  }
}

async function openBackends({ config, logger, health, metrics, signal, faults, closers }: Backends) {
  const { wait, done: starting } = waitingCheck({ health, logger }, 'start', signal);
  const database = await wait('Postgres', () => openDatabase(config, faults));
  closers.push(() => database.close());
  await wait('the database schema', () => requireSchema(database));
  const broker = await wait('NATS', () =>
    connectBroker({
      url: config.CAPSTAN_NATS_URL,
      prefix: config.CAPSTAN_NATS_PREFIX,
      replicas: config.CAPSTAN_NATS_REPLICAS,
      name: config.OTEL_SERVICE_NAME,
      log: (level, message, fields = {}) => logger[level](fields, message),
    }),
  );
  closers.push(() => broker.close());
  const relay = Relay.start({ database, broker, logger, metrics, faults });
  closers.push(() => relay.close());
  addChecks(health, metrics, database, broker);
  starting();
  return { database, broker };
}

function addChecks(health: Health, metrics: Metrics, database: Database, broker: Broker): void {
  // Both were waited for a moment ago: a first look that is late, while all services boot, is no news of them.
  const fine = { fine: true };
  health.add('postgres', () => database.query('select 1').then(() => null), fine);
  health.add('schema', () => requireSchema(database).then(() => null), fine);
  // Shown, but no reason to get no requests: without NATS everything works, only later.
  health.add(
    'nats',
    () => {
      const { connected, since } = broker.status();
      if (connected) return null;
      return { code: 'nats_unavailable', reason: `out of reach since ${since.toISOString()}` };
    },
    { readiness: false },
  );
  metrics.gauge('capstan_nats_connected', '1 while NATS is connected', (gauge) =>
    gauge.set(broker.status().connected ? 1 : 0),
  );
}

function hostOf(
  parts: Omit<Host, 'services' | 'start' | 'close'>,
  closeAll: () => Promise<void>,
  signal: AbortSignal | undefined,
): Host {
  const services: RunningService[] = [];
  let closing: Promise<void> | undefined;
  const host: Host = {
    ...parts,
    services,
    async start(main) {
      const service = await patiently(parts, signal, main.name, () => main.start(host));
      services.push(service);
      parts.health.add(`service:${main.name}`, () => null);
      return service;
    },
    close: (graceMs = parts.config.CAPSTAN_STOP_GRACE_MS) =>
      (closing ??= (async () => {
        // First of all: whoever asks for readiness sends no more requests here.
        parts.health.add('stop', () => ({ code: 'stopping', reason: 'it is being stopped' }));
        const grace = new Grace(graceMs);
        const close = (service: RunningService): Promise<void> =>
          service.close(grace.leftMs).catch((error: unknown) => {
            parts.logger.error({ err: error, service: service.name }, 'a service did not stop in order');
          });
        const backwards = [...services].reverse();
        // What lets things in, before those who work on them.
        for (const intake of backwards.filter(({ url }) => url !== undefined)) await close(intake);
        await Promise.all(backwards.filter(({ url }) => url === undefined).map(close));
        await closeAll();
      })()),
  };
  return host;
}
