import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import {
  context,
  createContextKey,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type ContextManager,
  type Span,
  type SpanContext,
  type TracerProvider,
} from '@opentelemetry/api';
import { errorText } from '@capstan/domain';

const newTraceId = (): string => randomBytes(16).toString('hex');
const newSpanId = (): string => randomBytes(8).toString('hex');

const REQUEST_ID = createContextKey('capstan request id');

/** Keeps OpenTelemetry's context over awaits, timers and events. */
export class StoredContextManager implements ContextManager {
  private readonly storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.storage.getStore() ?? ROOT_CONTEXT;
  }

  with<Arguments extends unknown[], Work extends (...parameters: Arguments) => ReturnType<Work>>(
    active: Context,
    work: Work,
    thisArg?: ThisParameterType<Work>,
    ...parameters: Arguments
  ): ReturnType<Work> {
    return this.storage.run(active, () => work.call(thisArg as never, ...parameters));
  }

  bind<T>(active: Context, target: T): T {
    if (typeof target !== 'function') return target;
    const bound = (...parameters: unknown[]): unknown =>
      this.storage.run(active, () => (target as (...all: unknown[]) => unknown)(...parameters));
    return bound as T;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.storage.disable();
    return this;
  }
}

/** Spans that nobody records but that have ids, so that log lines, events and rows are joined without a collector. */
export const identityTracerProvider: TracerProvider = {
  getTracer: () => {
    const startSpan = (
      _name: string,
      options?: { root?: boolean },
      parentContext: Context = context.active(),
    ): Span => {
      const parent = options?.root ? undefined : trace.getSpanContext(parentContext);
      return trace.wrapSpanContext({
        traceId: parent && isSpanContextValid(parent) ? parent.traceId : newTraceId(),
        spanId: newSpanId(),
        traceFlags: parent?.traceFlags ?? TraceFlags.SAMPLED,
      });
    };
    return {
      startSpan,
      startActiveSpan: (name: string, ...rest: unknown[]) => {
        const work = rest.pop() as (span: Span) => unknown;
        const [options, parent = context.active()] = rest as [undefined, Context | undefined];
        const span = startSpan(name, options, parent);
        return context.with(trace.setSpan(parent, span), () => work(span)) as never;
      },
    };
  },
};

/** W3C traceparent of what is going on, or null outside of everything. */
export function traceparent(): string | null {
  const active = trace.getSpanContext(context.active());
  return active && isSpanContextValid(active) ? formatTraceparent(active) : null;
}

/** {@link traceparent}, or one of a new trace: what is caused outside of any span can be followed too. */
export function traceparentOrNew(): string {
  const active = trace.getSpanContext(context.active());
  if (active && isSpanContextValid(active)) return formatTraceparent({ ...active, traceFlags: TraceFlags.SAMPLED });
  return `00-${newTraceId()}-${newSpanId()}-01`;
}

/** The process's own life: what is logged outside of any request, event or loop belongs to it. */
export const PROCESS_LIFE = { traceId: newTraceId(), spanId: newSpanId() };

/**
 * Ids for log lines; all three are on every line. `request_id` is that of the HTTP request; where no request asked, it
 * is the trace's id, so that one field finds everything that belongs together.
 */
export function traceFields(): Readonly<Record<'request_id' | 'trace_id' | 'span_id', string>> {
  const active = context.active();
  const own = trace.getSpanContext(active);
  const { traceId, spanId } = own && isSpanContextValid(own) ? own : PROCESS_LIFE;
  const requestId = active.getValue(REQUEST_ID);
  return { request_id: typeof requestId === 'string' ? requestId : traceId, trace_id: traceId, span_id: spanId };
}

export function currentRequestId(): string | null {
  const value = context.active().getValue(REQUEST_ID);
  return typeof value === 'string' ? value : null;
}

export interface SpanOptions {
  readonly kind?: SpanKind;
  /** Continues the trace of this W3C traceparent; null begins a new one. */
  readonly traceparent?: string | null;
  readonly requestId?: string;
  readonly attributes?: Attributes;
  /** Traceparents of other traces that this one belongs to. */
  readonly links?: readonly (string | null)[];
  /**
   * Nothing within is recorded, though ids are kept: for work that goes on for hours, whose thousands of queries would
   * bury the trace.
   */
  readonly quiet?: boolean;
}

/** Runs `work` in a span of its own; its failure is noted on the span and thrown on. */
export async function inSpan<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> {
  const { parent, span } = beginSpan(name, options);
  try {
    return await context.with(options.quiet === true ? silenced(parent, span) : parent, () => work(span));
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: errorText(error) });
    throw error;
  } finally {
    span.end();
  }
}

function silenced(base: Context, span: Span): Context {
  return trace.setSpanContext(base, { ...span.spanContext(), traceFlags: TraceFlags.NONE });
}

/**
 * Runs `work` in a trace that has ids and is recorded nowhere: for loops that look around all day. What it finds
 * begins a recorded span with {@link inSpan} and `traceparent: null`.
 */
export function unrecorded<T>(work: () => T): T {
  const ids = { traceId: newTraceId(), spanId: newSpanId(), traceFlags: TraceFlags.NONE };
  return context.with(trace.setSpanContext(context.active(), ids), work);
}

/** For callers that end the span themselves; `parent` is the context with the span in it. */
export function beginSpan(name: string, options: SpanOptions): { readonly parent: Context; readonly span: Span } {
  let base = context.active();
  if (options.traceparent !== undefined) base = withTraceparent(base, options.traceparent);
  if (options.requestId !== undefined) base = base.setValue(REQUEST_ID, options.requestId);
  const links = (options.links ?? []).flatMap((each) => {
    const linked = parseTraceparent(each);
    return linked ? [{ context: linked }] : [];
  });
  const span = trace
    .getTracer('capstan')
    .startSpan(name, { kind: options.kind ?? SpanKind.INTERNAL, attributes: options.attributes ?? {}, links }, base);
  return { parent: trace.setSpan(base, span), span };
}

/** Keeps the active span and adds a request id to it. */
export function withRequestId<T>(requestId: string, work: () => T): T {
  return context.with(context.active().setValue(REQUEST_ID, requestId), work);
}

function withTraceparent(base: Context, value: string | null): Context {
  const remote = parseTraceparent(value);
  return remote ? trace.setSpanContext(base, remote) : trace.deleteSpan(base);
}

export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Null for anything that isn't a valid W3C traceparent. */
export function parseTraceparent(value: string | null): SpanContext | null {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(value ?? '');
  if (!match) return null;
  const parsed = { traceId: match[1]!, spanId: match[2]!, traceFlags: parseInt(match[3]!, 16), isRemote: true };
  return isSpanContextValid(parsed) ? parsed : null;
}

/** Registers ids-only tracing for this process; a second call changes nothing. */
export function registerIdentityTracing(): void {
  context.setGlobalContextManager(new StoredContextManager());
  trace.setGlobalTracerProvider(identityTracerProvider);
}

/** Forgets what was registered, so that another tracing can be. */
export function unregisterTracing(): void {
  trace.disable();
  propagation.disable();
  context.disable();
}
