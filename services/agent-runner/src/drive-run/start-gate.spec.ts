import { setTimeout as sleep } from 'node:timers/promises';
import { StartGate } from './start-gate.js';

/** A start whose end the spec decides. */
function aStart(begun: string[], name: string) {
  let resolve!: (answer: string) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<string>((...settle) => ([resolve, reject] = settle));
  const start = () => {
    begun.push(name);
    return promise;
  };
  return { start, resolve, reject };
}

describe('a start gate', () => {
  it('lets so many in at a time, in the order in which they came, and the next when one has started', async () => {
    const gate = new StartGate(2, 60_000);
    const begun: string[] = [];
    const starts = ['a', 'b', 'c', 'd'].map((name) => aStart(begun, name));
    const answers = starts.map(({ start }) => gate.pass(start));
    await sleep(5);
    expect(begun).toEqual(['a', 'b']);
    starts[1]!.resolve('B');
    expect(await answers[1]).toBe('B');
    await sleep(5);
    expect(begun).toEqual(['a', 'b', 'c']);
    for (const { resolve } of starts) resolve('');
    await Promise.all(answers);
  });

  it('hands a failure on, to its own caller alone, and goes on', async () => {
    const gate = new StartGate(1, 60_000);
    const begun: string[] = [];
    const [first, second] = [aStart(begun, 'a'), aStart(begun, 'b')];
    const answers = [gate.pass(first.start), gate.pass(second.start)];
    first.reject(new Error('no disk'));
    await expect(answers[0]).rejects.toThrow('no disk');
    second.resolve('B');
    expect(await answers[1]).toBe('B');
  });

  it('waits for nobody longer than it has to: a slow start goes on beside the next', async () => {
    const gate = new StartGate(1, 20);
    const begun: string[] = [];
    const [slow, next] = [aStart(begun, 'slow'), aStart(begun, 'next')];
    const answers = [gate.pass(slow.start), gate.pass(next.start)];
    next.resolve('there');
    expect(await answers[1]).toBe('there');
    slow.resolve('at last');
    expect(await answers[0]).toBe('at last');
  });

  it('lets connections begin in their turn, goes on with them freely, and ends them with their reader', async () => {
    const gate = new StartGate(1, 60_000);
    const said: string[] = [];
    async function* lines(name: string, ready: Promise<void>) {
      try {
        said.push(`${name} begins`);
        await ready;
        yield `${name} 1`;
        yield `${name} 2`;
      } finally {
        said.push(`${name} ends`);
      }
    }
    let open!: () => void;
    const slow = gate.begin(lines('slow', new Promise((resolve) => (open = resolve))));
    const other = gate.begin(lines('other', Promise.resolve()));
    const [first, second] = [slow.next(), other.next()];
    await sleep(5);
    expect(said).toEqual(['slow begins']);
    open();
    expect(await first).toMatchObject({ value: 'slow 1' });
    expect(await second).toMatchObject({ value: 'other 1' });
    expect(await slow.next()).toMatchObject({ value: 'slow 2' });
    await slow.return();
    expect(said).toEqual(['slow begins', 'other begins', 'slow ends']);
    expect((await other.next()).value).toBe('other 2');
    expect((await other.next()).done).toBe(true);
  });
});
