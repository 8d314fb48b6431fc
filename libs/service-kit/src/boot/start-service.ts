import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { Database } from '@capstan/database';
import { Bug, errorText, UserError } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import { Broker, JetStreamServer, type ExhaustedHook } from '@capstan/jetstream';
import type { DynamicModule, INestApplication, InjectionToken, Provider, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SpanKind } from '@opentelemetry/api';
import type { HealthReport } from '../health/health.js';
import type { Host } from '../host/host.js';
import { ProblemFilter } from '../http-errors/problem.filter.js';
import { requestContext } from '../http-errors/request-context.js';
import { SpanNameInterceptor } from '../http-errors/span-name.interceptor.js';
import { Loops } from '../resync/loops.js';
import type { Logger } from '../telemetry/logger.js';
import { inSpan } from '../telemetry/tracing.js';
import { Grace } from './grace.js';
import { NestLog } from './nest-log.js';
import {
  BROKER,
  CONFIG,
  DATABASE,
  FAULTS,
  HEALTH,
  IDENTITY,
  LOGGER,
  METRICS,
  ON_EXHAUSTED,
  type Identity,
} from './tokens.js';

export interface HttpOptions {
  readonly port: number;
  readonly host: string;
  /** Largest body, e.g. `1mb` (the default); a larger one is answered with 413. Null leaves all bodies unread. */
  readonly bodyLimit?: string | null;
  /** Called before anything listens: middleware, adapters, global pipes and interceptors. */
  readonly configure?: (app: NestExpressApplication) => void | Promise<void>;
  /** Plain middleware before the body parser, e.g. static files or a raw webhook intake. */
  readonly before?: readonly RequestListenerWithNext[];
}

type RequestListenerWithNext = (
  request: Parameters<RequestListener>[0],
  response: Parameters<RequestListener>[1],
  next: (error?: unknown) => void,
) => void;

export interface ServiceOptions {
  /** Kebab-case, as its directory: half of its durables' names. */
  readonly name: string;
  readonly module: Type | DynamicModule;
  /** Every event that the service handles, exactly one `@Handles` each; else it refuses to boot. */
  readonly consumes: readonly EventDefinition[];
  /** Injectable as CONFIG. */
  readonly config: object;
  readonly host: Host;
  readonly http?: HttpOptions;
}

export interface RunningService {
  readonly name: string;
  /** Of its HTTP server, if it has one. */
  readonly url?: string;
  /** For specs and the launcher: a provider of the service. */
  get<T>(token: InjectionToken<T>): T;
  /**
   * Stops intake, lets what is in hand finish and runs the module's shutdown hooks, all within `graceMs`; what didn't
   * end is named in the log, and left to leases and resyncs. A second call waits for the first.
   */
  close(graceMs: number): Promise<void>;
  /** The process's checks: those of the host and of its services. */
  health(): Promise<HealthReport>;
}

/** What a service's own hooks get even when its messages and loops took all the time: leases are given back there. ms */
const LAST_MOMENT_MS = 1_000;

/** What a request that is under way gets at the end. ms */
const REQUEST_GRACE_MS = 2_000;

/**
 * Boots a service as a Nest application of its own on the host's pool and connection.
 * @throws UserError when it can't work as it is: `handlers_mismatch`, `port_taken`.
 */
export async function startService(options: ServiceOptions): Promise<RunningService> {
  const { name, host, http } = options;
  const logger = host.logger.child({ service: name });
  const loops = new Loops(logger);
  const identity: Identity = { service: name, instance: `${name}-${randomBytes(4).toString('hex')}` };
  const app = await NestFactory.create<NestExpressApplication>(rootModule(options, logger, loops, identity), {
    logger: new NestLog(logger),
    abortOnError: false,
    rawBody: http !== undefined,
    bodyParser: false,
  });
  const server = new JetStreamServer({
    broker: host.broker,
    service: name,
    consumes: options.consumes,
    faults: host.faults,
    ...messaging(app, host, logger),
  });
  try {
    app.connectMicroservice({ strategy: server });
    server.assertHandlers();
    if (http) await prepareHttp(app, http, host, logger);
    await app.init();
    await app.startAllMicroservices();
    const url = http ? await listen(app, http) : undefined;
    logger.info({ ...(url === undefined ? {} : { url }), consumes: options.consumes.length }, `${name} is up`);
    return running(options, app, server, loops, logger, url);
  } catch (error) {
    await loops.close();
    await app.close().catch(() => undefined);
    throw error;
  }
}

function rootModule({ module, config, host }: ServiceOptions, logger: Logger, loops: Loops, identity: Identity) {
  const providers: Provider[] = [
    { provide: DATABASE, useValue: host.database },
    { provide: Database, useValue: host.database },
    { provide: BROKER, useValue: host.broker },
    { provide: Broker, useValue: host.broker },
    { provide: LOGGER, useValue: logger },
    { provide: CONFIG, useValue: config },
    { provide: METRICS, useValue: host.metrics },
    { provide: HEALTH, useValue: host.health },
    { provide: FAULTS, useValue: host.faults },
    { provide: IDENTITY, useValue: identity },
    { provide: Loops, useValue: loops },
  ];
  class ServiceKitModule {}
  class ServiceRoot {}
  const kit: DynamicModule = {
    module: ServiceKitModule,
    global: true,
    providers,
    exports: providers.map((provider) => (provider as { provide: InjectionToken }).provide),
  };
  return { module: ServiceRoot, imports: [kit, module] } satisfies DynamicModule;
}

/** How the transport meets the rest of the process: spans, logs, metrics, parking. */
function messaging(app: INestApplication, host: Host, logger: Logger) {
  const handled = host.metrics.counter('capstan_events_handled_total', 'Messages answered, by event and answer');
  const duration = host.metrics.histogram('capstan_event_handler_seconds', 'Duration of handlers, by event');
  return {
    onExhausted: async (...parameters: Parameters<ExhaustedHook>) => {
      const hook = find<ExhaustedHook>(app, ON_EXHAUSTED);
      if (hook) return hook(...parameters);
      // Its row has attempts of its own: the resync goes on with it, and parks it.
      logger.error({ event: parameters[0].name }, 'no ON_EXHAUSTED is provided; the row is left to the resync');
    },
    resolveCapacity: (token: symbol | string) => app.get<() => number>(token, { strict: false }),
    around: ((delivery, work) =>
      inSpan(
        `handle ${delivery.event.name}`,
        {
          kind: SpanKind.CONSUMER,
          traceparent: delivery.traceparent,
          attributes: {
            'messaging.system': 'nats',
            'messaging.destination.name': delivery.event.name,
            'messaging.message.id': delivery.id,
          },
        },
        async () => {
          try {
            return await work();
          } catch (error) {
            const level = error instanceof Bug || !isExpected(error) ? 'error' : 'warn';
            const fields = { err: error, event: delivery.event.name, delivery: delivery.delivery };
            logger[level](fields, `${delivery.event.name} failed: ${errorText(error)}`);
            throw error;
          }
        },
      )) satisfies NonNullable<ConstructorParameters<typeof JetStreamServer>[0]['around']>,
    observe: (({ event, ack, durationMs }) => {
      handled.add({ event: event.name, answer: ack.kind });
      duration.observe(durationMs / 1000, { event: event.name });
    }) satisfies NonNullable<ConstructorParameters<typeof JetStreamServer>[0]['observe']>,
  };
}

function isExpected(error: unknown): boolean {
  const { name } = error as { name?: unknown };
  return name === 'UserError' || name === 'TransientError';
}

function find<T>(app: INestApplication, token: symbol): T | undefined {
  try {
    return app.get<T>(token, { strict: false });
  } catch {
    return undefined;
  }
}

async function prepareHttp(app: NestExpressApplication, http: HttpOptions, host: Host, logger: Logger): Promise<void> {
  app.disable('x-powered-by');
  app.use(requestContext(host.metrics));
  for (const middleware of http.before ?? []) app.use(middleware);
  const limit = http.bodyLimit === undefined ? '1mb' : http.bodyLimit;
  if (limit !== null) {
    // Through Nest, so that the raw bytes stay at hand for signatures.
    app.useBodyParser('json', { limit, strict: false });
    app.useBodyParser('urlencoded', { limit, extended: false });
  }
  app.useGlobalFilters(new ProblemFilter(logger));
  app.useGlobalInterceptors(new SpanNameInterceptor());
  await http.configure?.(app);
}

async function listen(app: NestExpressApplication, { port, host }: HttpOptions): Promise<string> {
  try {
    await app.listen(port, host);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new UserError(`port ${port} on ${host} is taken`, {
      code: 'port_taken',
      cause,
    });
  }
  const address = app.getHttpServer().address() as { port: number };
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${address.port}`;
}

function running(
  { name, host }: ServiceOptions,
  app: INestApplication,
  server: JetStreamServer,
  loops: Loops,
  logger: Logger,
  url: string | undefined,
): RunningService {
  let closing: Promise<void> | undefined;
  return {
    name,
    ...(url === undefined ? {} : { url }),
    get: (token) => app.get(token, { strict: false }),
    health: () => host.health.report(),
    close: (graceMs) =>
      (closing ??= (async () => {
        const grace = new Grace(graceMs);
        await Promise.all([grace.wait('messages in hand', server.drain(graceMs)), grace.wait('loops', loops.close())]);
        // Requests under way get a moment; a browser that holds on to its connection doesn't hold the service.
        const cut = setTimeout(() => cutConnections(app), Math.min(graceMs, REQUEST_GRACE_MS));
        await grace.wait('its own work', app.close(), LAST_MOMENT_MS);
        clearTimeout(cut);
        const late = grace.late.map((part) => (part === 'loops' ? `loops (${loops.atWork.join(', ')})` : part));
        if (late.length === 0) logger.info(`${name} is down`);
        else logger.warn({ late }, `${name} did not end in time: ${late.join(', ')}; others take it over`);
      })()),
  };
}

function cutConnections(app: INestApplication): void {
  const server = app.getHttpServer() as { closeAllConnections?: () => void } | undefined;
  server?.closeAllConnections?.();
}
