import fc from 'fast-check';
import type { LogBatch, LogHead } from '@capstan/api';
import { LogFeed } from './log-feed.js';

const RUN = '0190c2f4-7b00-7000-8000-000000000001';
const line = (sequence: number): LogBatch['lines'][number] => ({
  sequence,
  at: '2026-01-01T00:00:00.000Z',
  kind: 'text',
  text: `line ${sequence}`,
});
const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => line(from + at));

/** A store whose reads fail now and then, and what a feed made of it. */
function aFeed(from: number, failures: readonly boolean[] = []) {
  const world = { stored: from, ended: false };
  const left = [...failures];
  const batches: LogBatch[] = [];
  const heads: LogHead[] = [];
  const read = <T>(value: () => T): Promise<T> =>
    left.shift() === true ? Promise.reject(new Error('down')) : Promise.resolve().then(value);
  const feed = new LogFeed({
    runId: RUN,
    from,
    source: {
      head: () => read(() => ({ head: world.stored, ended: world.ended })),
      lines: (_run, after, limit) => read(() => range(after + 1, Math.min(world.stored, after + limit))),
    },
    emitLines: (batch) => batches.push(batch),
    emitHead: (head) => heads.push(head),
    onError: () => undefined,
  });
  const sequences = () => batches.flatMap(({ lines }) => lines.map(({ sequence }) => sequence));
  return { world, feed, sequences, heads, batches };
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('store' as const), count: fc.integer({ min: 1, max: 30 }) }),
  fc.record({
    kind: fc.constant('message' as const),
    from: fc.integer({ min: 1, max: 300 }),
    count: fc.integer({ min: 1, max: 40 }),
  }),
  fc.record({ kind: fc.constant('head' as const) }),
  fc.record({ kind: fc.constant('pause' as const) }),
);

describe('LogFeed', () => {
  it('delivers every stored line once and in order, whatever is announced and however reads fail', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 20 }),
        fc.array(step, { maxLength: 40 }),
        fc.array(fc.boolean()),
        async (from, steps, failures) => {
          const { world, feed, sequences } = aFeed(from, failures);
          for (const each of steps) {
            if (each.kind === 'store') world.stored += each.count;
            // Nothing is announced before it is stored.
            if (each.kind === 'message') feed.take(range(each.from, Math.min(world.stored, each.from + each.count)));
            if (each.kind === 'head') feed.reach(world.stored, false);
            if (each.kind === 'pause') await new Promise((resolve) => setImmediate(resolve));
          }
          // The sweep goes on for as long as reads fail.
          for (let sweep = 0; sweep <= failures.length + 1; sweep += 1) {
            await feed.look();
            await new Promise((resolve) => setImmediate(resolve));
          }
          expect(sequences()).toEqual(range(from + 1, world.stored).map(({ sequence }) => sequence));
        },
      ),
    );
  });

  it('says once that a run is over, after its last line', async () => {
    const { world, feed, sequences, heads } = aFeed(0);
    world.stored = 700;
    world.ended = true;
    feed.reach(700, true);
    await feed.look();
    await new Promise((resolve) => setImmediate(resolve));
    expect(sequences()).toHaveLength(700);
    await feed.look();
    expect(heads.filter(({ ended }) => ended)).toEqual([{ runId: RUN, head: 700, ended: true }]);
  });

  it('cuts a line that is too long for a socket', () => {
    const { feed, batches } = aFeed(0);
    feed.take([{ ...line(1), text: 'x'.repeat(1_000_000) }]);
    expect(batches[0]!.lines[0]!.text.length).toBeLessThan(70_000);
  });

  it('is silent when closed', () => {
    const { feed, sequences } = aFeed(0);
    feed.close();
    feed.take(range(1, 3));
    expect(sequences()).toEqual([]);
  });
});
