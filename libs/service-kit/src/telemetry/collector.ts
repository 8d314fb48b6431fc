import { createRequire, syncBuiltinESMExports } from 'node:module';
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { symptomOf, type SymptomCode } from '@capstan/domain';
import type { Logger } from './logger.js';
import { registerIdentityTracing, StoredContextManager, unregisterTracing } from './tracing.js';

export interface CollectorOptions {
  /** `host:port` or `http(s)://host:port`; undefined keeps spans unrecorded. */
  readonly endpoint: string | undefined;
  readonly protocol?: 'grpc' | 'http/protobuf' | undefined;
  readonly insecure?: boolean | undefined;
  readonly serviceName: string;
}

export interface Tracing {
  /** Sends what is left and stops. Never throws. */
  close(): Promise<void>;
}

/**
 * Spread into the options of a request that is somebody else's: it gets no span and no `traceparent`, and its headers stay
 * as they were given (the instrumentation would take a list of them for an object).
 */
export const UNTRACED = { capstanUntraced: true } as const;

/** Where spans go. */
export interface CollectorTarget {
  readonly protocol: 'grpc' | 'http/protobuf';
  readonly url: string;
}

/** How an endpoint is meant: `localhost:4317` is gRPC, `http://…:4318` is HTTP. */
export function collectorTarget({ endpoint, protocol, insecure }: CollectorOptions): CollectorTarget | null {
  if (endpoint === undefined) return null;
  const scheme = /^(https?):\/\//.exec(endpoint)?.[1];
  const rest = scheme ? endpoint.slice(scheme.length + 3) : endpoint;
  const host = rest.split(/[:/]/)[0] ?? '';
  const chosen = protocol ?? (scheme === undefined || /^[^/]*:4317(\/|$)/.test(rest) ? 'grpc' : 'http/protobuf');
  const loopback = ['localhost', '127.0.0.1', '[', '0.0.0.0'].includes(host);
  const plain = scheme ? scheme === 'http' : (insecure ?? loopback);
  const base = `${plain ? 'http' : 'https'}://${rest.replace(/\/+$/, '')}`;
  const url = chosen === 'http/protobuf' && !base.endsWith('/v1/traces') ? `${base}/v1/traces` : base;
  return { protocol: chosen, url };
}

/**
 * Turns tracing on for this process. Without an endpoint spans have ids and go nowhere; with one, http, pg and undici
 * are instrumented. A collector that can't be reached is one warning and costs nothing else.
 */
export async function openTracing(options: CollectorOptions, logger: Logger): Promise<Tracing> {
  const target = collectorTarget(options);
  unregisterTracing();
  if (target === null) {
    registerIdentityTracing();
    return { close: async () => undefined };
  }
  warnOnce(logger, target.url);
  const [{ NodeSDK }, exporter, { HttpInstrumentation }, { PgInstrumentation }, { UndiciInstrumentation }] =
    await Promise.all([
      import('@opentelemetry/sdk-node'),
      exporterFor(target),
      import('@opentelemetry/instrumentation-http'),
      import('@opentelemetry/instrumentation-pg'),
      import('@opentelemetry/instrumentation-undici'),
    ]);
  const sdk = new NodeSDK({
    serviceName: options.serviceName,
    autoDetectResources: false,
    traceExporter: exporter,
    metricReaders: [],
    logRecordProcessors: [],
    contextManager: new StoredContextManager(),
    instrumentations: [
      new HttpInstrumentation({
        // What agents send through egress is no work of Capstan's, and tells it nothing of traces.
        ignoreIncomingRequestHook: ({ url }) => /^\/(livez|readyz|healthz|metrics|model\/)|^https?:/.test(url ?? ''),
        ignoreOutgoingRequestHook: (request) => 'capstanUntraced' in request,
        // A query may hold a one-time token.
        startIncomingSpanHook: ({ url }) => {
          const path = (url ?? '/').split('?')[0] ?? '/';
          return { 'http.target': path, 'http.url': path, 'url.path': path, 'url.query': '' };
        },
      }),
      new PgInstrumentation({ requireParentSpan: true }),
      new UndiciInstrumentation({ requireParentforSpans: true }),
    ],
  });
  sdk.start();
  patchLoadedModules();
  logger.info({ collector: target.url, protocol: target.protocol }, 'tracing is on');
  return { close: () => within(sdk.shutdown(), 2_000) };
}

async function exporterFor({ protocol, url }: CollectorTarget) {
  const timeoutMillis = 5_000;
  if (protocol === 'http/protobuf') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
    return new OTLPTraceExporter({ url, timeoutMillis });
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
  return new OTLPTraceExporter({ url, timeoutMillis });
}

/** The instrumentations patch a module when it is required next; these were loaded long ago. */
function patchLoadedModules(): void {
  const require = createRequire(import.meta.url);
  for (const name of ['http', 'https', 'pg', 'pg-pool']) require(name);
  syncBuiltinESMExports();
}

const TELEMETRY_UNREACHABLE: SymptomCode = 'telemetry_unreachable';

function warnOnce(logger: Logger, url: string): void {
  let warned = false;
  const warn = (message: string) => {
    if (warned) return;
    warned = true;
    logger.warn(
      { collector: url, code: TELEMETRY_UNREACHABLE, remedy: symptomOf(TELEMETRY_UNREACHABLE).remedy },
      `traces can't be sent: ${plain(message)}`,
    );
  };
  const nothing = () => undefined;
  diag.setLogger(
    { error: warn, warn: nothing, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
}

/** OpenTelemetry reports an error as a JSON object of its members. */
function plain(message: string): string {
  try {
    const { message: text } = JSON.parse(message) as { message?: unknown };
    if (typeof text === 'string') return text.slice(0, 300);
  } catch {
    // It was plain text already.
  }
  return message.slice(0, 300);
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work.catch(() => undefined), new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}
