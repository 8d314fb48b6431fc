import { Bug, TransientError } from '@capstan/domain';
import { collectorTarget } from './collector.js';
import { openLogger, type Logger } from './logger.js';
import { Metrics } from './metrics.js';
import {
  beginSpan,
  inSpan,
  parseTraceparent,
  registerIdentityTracing,
  traceparent,
  traceparentOrNew,
  unregisterTracing,
} from './tracing.js';

const CANARY = 'c4n4ry-Zk81Qw';

function logger(format: 'json' | 'text'): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  return { log: openLogger({ format, level: 'debug', write: (line) => lines.push(line) }), lines };
}

beforeAll(() => {
  unregisterTracing();
  registerIdentityTracing();
});
afterAll(unregisterTracing);

describe('log lines', () => {
  it('carry request, trace and span ids, over awaits', async () => {
    const { log, lines } = logger('json');
    await inSpan('work', { requestId: 'req-12345678', traceparent: null }, async (span) => {
      await new Promise((resolve) => setImmediate(resolve));
      log.info({ taskId: 't' }, 'placed');
      const { traceId, spanId } = span.spanContext();
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({
        level: 'info',
        message: 'placed',
        taskId: 't',
        request_id: 'req-12345678',
        trace_id: traceId,
        span_id: spanId,
      });
    });
    log.info('outside');
    // What nobody asked for belongs to the process's own life.
    const outside = JSON.parse(lines[1] ?? '') as Record<string, unknown>;
    expect(outside['trace_id']).toMatch(/^[0-9a-f]{32}$/);
    expect(outside).toMatchObject({ request_id: outside['trace_id'], span_id: expect.any(String) as string });
  });

  it.each(['json', 'text'] as const)('hold no secret as %s', (format) => {
    const { log, lines } = logger(format);
    log.info({ password: CANARY, headers: { authorization: `Bearer ${CANARY}` }, nested: [{ token: CANARY }] }, 'in');
    log.warn(`cloning https://x-access-token:${CANARY}@github.example/a/b.git`);
    log.warn(`Authorization: Bearer ${CANARY}${CANARY}`);
    log.error({ err: Object.assign(new Error('query failed'), { parameters: [CANARY], query: CANARY }) }, 'failed');
    log.error({ err: new Error(`postgres://u:${CANARY}@db/x`) }, `token ghp_${'a'.repeat(36)}`);
    expect(lines).toHaveLength(5);
    expect(lines.join('')).not.toContain(CANARY);
    expect(lines.join('')).not.toContain('ghp_');
  });

  it('hold no secret of the configuration, wherever it turns up', () => {
    const lines: string[] = [];
    const write = (line: string) => lines.push(line);
    const log = openLogger({ format: 'json', level: 'debug', write, secrets: [CANARY, 'ok'] });
    log.error({ err: new Error(`value "${CANARY}" refused`), list: [CANARY] }, `ok ${CANARY}`);
    expect(lines.join('')).not.toContain(CANARY);
    expect(lines.join('')).toContain('ok ***');
  });

  it('show an error with its remedy, and a stack only for what nobody expected', () => {
    const { log, lines } = logger('json');
    log.warn({ err: new TransientError('no answer', { code: 'x', remedy: 'Wait.' }) }, 'one');
    log.error({ err: new Bug('oops') }, 'two');
    const [expected, bug] = lines.map((line) => (JSON.parse(line) as { err: Record<string, unknown> }).err);
    expect(expected).toEqual({ type: 'TransientError', message: 'no answer', code: 'x', remedy: 'Wait.' });
    expect(bug?.['stack']).toContain('Bug: oops');
  });

  it('are readable as text', () => {
    const { log, lines } = logger('text');
    log.child({ service: 'scheduler' }).warn({ taskId: 'a b' }, 'waits');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}scheduler {4}waits taskId="a b"\n$/);
  });

  it('below the level are not written', () => {
    const lines: string[] = [];
    openLogger({ format: 'json', level: 'warn', write: (line) => lines.push(line) }).info('no');
    expect(lines).toEqual([]);
  });
});

describe('trace ids', () => {
  const remote = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  it('are continued from a traceparent, with a span of their own', async () => {
    await inSpan('handle', { traceparent: remote }, async () => {
      expect(traceparent()).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
      const outer = traceparent();
      await inSpan('inner', {}, async () => {
        expect(traceparent()?.slice(3, 35)).toBe(outer?.slice(3, 35));
        expect(traceparent()).not.toBe(outer);
      });
    });
  });

  it('begin anew where there is nothing, or nonsense, to continue', async () => {
    for (const nothing of [null, 'nonsense', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`]) {
      await inSpan('outer', { traceparent: remote }, async () => {
        const { span } = beginSpan('own', { traceparent: nothing });
        expect(span.spanContext().traceId).not.toBe('0af7651916cd43dd8448eb211c80319c');
      });
    }
  });

  it('stay within a quiet span, but nothing there is recorded', async () => {
    await inSpan('run', { traceparent: remote, quiet: true }, async () => {
      expect(traceparent()).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
    });
  });

  it('exist outside of everything for whom asks', () => {
    expect(traceparent()).toBeNull();
    expect(parseTraceparent(traceparentOrNew())).not.toBeNull();
  });
});

describe('collectorTarget', () => {
  const at = (endpoint: string | undefined, more: { protocol?: 'grpc' | 'http/protobuf'; insecure?: boolean } = {}) =>
    collectorTarget({ endpoint, serviceName: 'x', ...more });

  it.each([
    ['localhost:4317', {}, 'grpc', 'http://localhost:4317'],
    ['collector:4317', {}, 'grpc', 'https://collector:4317'],
    ['collector:4317', { insecure: true }, 'grpc', 'http://collector:4317'],
    ['http://collector:4317', {}, 'grpc', 'http://collector:4317'],
    ['http://collector:4318', {}, 'http/protobuf', 'http://collector:4318/v1/traces'],
    ['https://collector:4318/', {}, 'http/protobuf', 'https://collector:4318/v1/traces'],
    ['https://host/otlp', {}, 'http/protobuf', 'https://host/otlp/v1/traces'],
    ['http://host:9/v1/traces', {}, 'http/protobuf', 'http://host:9/v1/traces'],
    ['http://host:4318', { protocol: 'grpc' as const }, 'grpc', 'http://host:4318'],
  ])('%s %j is %s to %s', (endpoint, more, protocol, url) => {
    expect(at(endpoint, more)).toEqual({ protocol, url });
  });

  it('is nothing without an endpoint', () => expect(at(undefined)).toBeNull());
});

describe('metrics', () => {
  it('are rendered in the text form of Prometheus', async () => {
    const metrics = new Metrics();
    metrics.counter('capstan_things_total', 'Things').add({ kind: 'a "b"\n' }, 2);
    metrics.gauge('capstan_level', 'Level', (gauge) => gauge.set(0.5));
    metrics.histogram('capstan_wait_seconds', 'Wait', [0.1, 1]).observe(0.5, { event: 'x' });
    expect(await metrics.render()).toBe(
      [
        '# HELP capstan_things_total Things',
        '# TYPE capstan_things_total counter',
        'capstan_things_total{kind="a \\"b\\"\\n"} 2',
        '# HELP capstan_level Level',
        '# TYPE capstan_level gauge',
        'capstan_level 0.5',
        '# HELP capstan_wait_seconds Wait',
        '# TYPE capstan_wait_seconds histogram',
        'capstan_wait_seconds_bucket{event="x",le="0.1"} 0',
        'capstan_wait_seconds_bucket{event="x",le="1"} 1',
        'capstan_wait_seconds_bucket{event="x",le="+Inf"} 1',
        'capstan_wait_seconds_sum{event="x"} 0.5',
        'capstan_wait_seconds_count{event="x"} 1',
        '',
      ].join('\n'),
    );
  });

  it('are readable while what they read is away, and never grow without bound', async () => {
    const metrics = new Metrics();
    metrics.gauge('capstan_rows', 'Rows', () => Promise.reject(new Error('away')));
    const counter = metrics.counter('capstan_ids_total', 'Ids');
    for (let index = 0; index < 2_000; index += 1) counter.add({ id: String(index) });
    const text = await metrics.render();
    expect(text).toContain('capstan_ids_total{overflow="true"} 1500');
    expect(text.split('\n').length).toBeLessThan(520);
  });

  it('are called capstan_…', () => {
    expect(() => new Metrics().counter('things_total', 'Things')).toThrow(Bug);
  });
});
