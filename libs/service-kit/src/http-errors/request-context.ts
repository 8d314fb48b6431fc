import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Histogram, Metrics } from '../telemetry/metrics.js';
import { beginSpan, withRequestId } from '../telemetry/tracing.js';

/** What a proxy or a client may name a request. */
const SANE_ID = /^[\w.:-]{8,128}$/;

type Next = (error?: unknown) => void;

/**
 * Gives each request an id (the incoming `x-request-id` when it is sane) and a span, for its log lines, errors and
 * events; sends the id back; measures the duration by method and status class.
 */
export function requestContext(
  metrics: Metrics,
): (request: IncomingMessage, response: ServerResponse, next: Next) => void {
  const duration: Histogram = metrics.histogram('capstan_http_request_seconds', 'Duration of HTTP requests');
  return (request, response, next) => {
    const began = performance.now();
    const requestId = incomingId(request) ?? randomUUID();
    response.setHeader('x-request-id', requestId);
    const method = request.method ?? 'GET';
    const instrumented = trace.getActiveSpan() !== undefined;
    const parent = header(request, 'traceparent') ?? null;
    const own = instrumented ? undefined : beginSpan(method, { kind: SpanKind.SERVER, traceparent: parent, requestId });
    response.once('close', () => {
      duration.observe((performance.now() - began) / 1000, {
        method: KNOWN_METHODS.has(method) ? method : 'other',
        status: `${Math.floor(response.statusCode / 100)}xx`,
      });
      if (response.statusCode >= 500) own?.span.setStatus({ code: SpanStatusCode.ERROR });
      own?.span.end();
    });
    if (own) context.with(own.parent, () => next());
    else withRequestId(requestId, () => next());
  };
}

const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

function incomingId(request: IncomingMessage): string | undefined {
  const value = header(request, 'x-request-id');
  return value !== undefined && SANE_ID.test(value) ? value : undefined;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
