import fc from 'fast-check';
import { MAX_HOSTS, REST, foldBatch, hostRowKey } from './fold.decide.js';
import { Recorder, type Asker } from './recorder.js';

const run: Asker = { id: 'run', workspaceId: 'workspace', taskId: 'task' };
const none = new Map<string, Set<string>>();

it('keeps what a run has rows for, and counts what is too much together', () => {
  const recorder = new Recorder(() => new Date(0));
  recorder.allowed(run, { host: 'known.example', port: 443 }, 'npm').up(5);
  for (const host of ['new.example', 'newer.example', 'newest.example'])
    recorder.blocked(run, { host, port: 443 }, 'host_blocked', undefined);
  const hosts = new Set(Array.from({ length: MAX_HOSTS - 2 }, (_, index) => `host-${index} 443 allowed`));
  hosts.add('known.example 443 allowed');
  const folded = foldBatch(recorder.take()!, { hosts: new Map([['run', hosts]]), models: none });
  expect(folded.hosts.map(({ host, connections, bytesUp }) => [host, connections, bytesUp])).toEqual([
    ['known.example', 1, 5],
    ['new.example', 1, 0],
    [REST, 2, 0],
  ]);
});

it('loses no connection and no byte, and never has a key twice', () => {
  const use = fc.record({ host: fc.integer({ min: 0, max: 400 }), bytes: fc.nat(1_000), blocked: fc.boolean() });
  fc.assert(
    fc.property(fc.array(use, { maxLength: 600 }), (uses) => {
      const recorder = new Recorder();
      for (const { host, bytes, blocked } of uses) {
        const target = { host: `h${host}`, port: 443 };
        if (blocked) recorder.blocked(run, target, 'host_blocked', undefined);
        else recorder.allowed(run, target, undefined).down(bytes);
      }
      const { hosts } = foldBatch(recorder.take() ?? { hosts: [], models: [] }, { hosts: none, models: none });
      const sum = (pick: (each: (typeof hosts)[number]) => number) => hosts.reduce((all, each) => all + pick(each), 0);
      expect(sum(({ connections }) => connections)).toBe(uses.length);
      expect(sum(({ bytesDown }) => bytesDown)).toBe(
        uses.reduce((all, { bytes, blocked }) => all + (blocked ? 0 : bytes), 0),
      );
      expect(new Set(hosts.map(hostRowKey)).size).toBe(hosts.length);
      expect(hosts.filter(({ host }) => host !== REST).length).toBeLessThanOrEqual(MAX_HOSTS);
    }),
  );
});

it('a batch that could not be written goes into the next, with its cost counted throughout', () => {
  const recorder = new Recorder();
  const tokens = { input: 1, output: 2, cacheRead: 3, cacheWrite: 4 };
  recorder.used(run, 'openai', 'gpt-5.5', tokens, 0.25);
  recorder.limited(run, 'openai', 'gpt-5.5', new Date(2_000));
  expect(recorder.unwrittenCost('run')).toBe(0.25);
  recorder.take();
  recorder.used(run, 'openai', 'gpt-5.5', tokens, undefined);
  recorder.limited(run, 'openai', 'gpt-5.5', new Date(1_000));
  expect(recorder.unwrittenCost('run')).toBe(0.25);
  recorder.failed();
  expect(recorder.unwrittenCost('run')).toBe(0.25);
  expect(recorder.take()!.models).toMatchObject([
    {
      calls: 2,
      input: 2,
      output: 4,
      cacheRead: 6,
      cacheWrite: 8,
      costUsd: 0.25,
      unpricedCalls: 1,
      limitedUntil: new Date(2_000),
    },
  ]);
  recorder.written();
  expect(recorder.unwrittenCost('run')).toBe(0);
  expect(recorder.take()).toBeNull();
});
