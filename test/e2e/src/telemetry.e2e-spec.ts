import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskDetail } from '@capstan/api';
import { aSystem, change, eventually, script, type System } from '@capstan/test-support';
import { OtlpSink, type SunkSpan } from './otlp-sink.fixture.js';

/** Every step of a change, from its creation to its merge, as spans of one trace. */
const STEPS = [
  'handle task.created',
  'handle run.start',
  'run',
  'handle run.finished',
  'effect push_branch',
  'effect open_pull_request',
  'effect merge_pull_request',
];

describe('Telemetry', () => {
  let sink: OtlpSink;
  let system: System;

  beforeAll(async () => {
    sink = await OtlpSink.open();
    system = await aSystem({
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, CAPSTAN_LOG_FORMAT: 'json' },
      repositories: [{ fullName: 'acme/app', requiredChecks: ['test'] }],
    });
  });
  afterAll(async () => {
    await system?.expectNothingLeft();
    await sink?.close();
  });

  const log = (): Record<string, unknown>[] =>
    readFileSync(join(system.dataDir, 'log', 'host.log'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  /** Waits until the collector has all of these; spans are sent every few seconds. */
  const trace = (id: string, names: readonly string[]): Promise<readonly SunkSpan[]> =>
    eventually(() => {
      const spans = sink.of(id);
      const missing = names.filter((name) => !spans.some((span) => span.name === name));
      if (missing.length > 0) throw new Error(`trace ${id} lacks ${missing.join(', ')}`);
      return spans;
    }, 30_000);

  it('is one trace from POST /api/tasks to the merge, which the run links to', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const made = await fetch(`${system.capstan.url}/api/tasks`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${system.capstan.token}`,
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      },
      body: JSON.stringify({ repositoryId: system.repositoryId(), title: 'Traced', body: script(change('traced')) }),
    });
    const task = (await made.json()) as TaskDetail;
    expect((await system.untilState(task.id, 'completed')).traceId).toBe(traceId);
    const spans = await trace(traceId, STEPS);
    expect(spans.some(({ name, parentId }) => name.startsWith('POST') && parentId === 'b7ad6b7169203331')).toBe(true);
    const run = spans.find(({ name }) => name === 'run')!;
    expect(run.links.map((link) => link.traceId)).toEqual([traceId]);
    for (const event of await system.life(task.id)) expect(event).toMatchObject({ cause: event.cause, traceId });
    expect(log().some((line) => line['trace_id'] === traceId && line['kind'] === 'merge_pull_request')).toBe(true);
  });

  it('is one trace from a ticket to its closing comment', async () => {
    const number = await system.ticket('Traced ticket', change('ticket'));
    const task = await system.taskOf(number);
    await system.untilTicketClosed(number);
    const { traceId } = await system.untilState(task.id, 'completed');
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    await trace(traceId!, [...STEPS, 'effect comment_ticket', 'effect close_ticket']);
    for (const event of await system.life(task.id)) expect(event).toMatchObject({ cause: event.cause, traceId });
  });

  it('names request, trace and span on every log line', () => {
    expect(log().length).toBeGreaterThan(20);
    for (const line of log())
      expect(line).toMatchObject({
        request_id: expect.stringMatching(/./) as string,
        trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
        span_id: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      });
  });
});
