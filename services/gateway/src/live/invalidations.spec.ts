import { CATALOG } from '@capstan/events';
import { INVALIDATION_KINDS, Invalidation } from '@capstan/api';
import { Coalescer, staleAfter, type Stale } from './invalidations.js';

const ID = '0190c2f4-7b00-7000-8000-000000000001';
const stale = (version: number | null, id = ID): Stale => ({
  workspaceId: ID,
  invalidation: { kind: 'task', id, version, taskId: id },
});

describe('staleAfter', () => {
  const payload = new Proxy({}, { get: (_target, name) => (name === 'version' ? 3 : ID) });
  const told = CATALOG.flatMap((event) => staleAfter(event, payload)?.invalidation ?? []);

  it('tells of every kind that clients know, in the contract’s form', () => {
    expect([...new Set(told.map(({ kind }) => kind))].sort()).toEqual([...INVALIDATION_KINDS].sort());
    for (const each of told) expect(Invalidation.parse(each)).toEqual(each);
  });

  it('is silent about what changes nothing that is shown', () => {
    for (const name of ['run.start', 'run.stop', 'log.batch', 'effect.requested'])
      expect(
        staleAfter(
          CATALOG.find((event) => event.name === name)!,
          payload,
        ),
      ).toBeNull();
  });
});

describe('Coalescer', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('passes the first on at once and of a burst the newest when the window is over', () => {
    const emitted: (number | null)[] = [];
    const coalescer = new Coalescer(({ invalidation }) => emitted.push(invalidation.version));
    for (const version of [1, 2, 4, 3]) coalescer.add(stale(version));
    expect(emitted).toEqual([1]);
    jest.advanceTimersByTime(50);
    expect(emitted).toEqual([1, 4]);
    coalescer.add(stale(5));
    expect(emitted).toEqual([1, 4]);
    jest.advanceTimersByTime(50);
    expect(emitted).toEqual([1, 4, 5]);
    jest.advanceTimersByTime(100);
    coalescer.add(stale(6));
    expect(emitted).toEqual([1, 4, 5, 6]);
    coalescer.close();
  });

  it('keeps different things apart', () => {
    const emitted: string[] = [];
    const coalescer = new Coalescer(({ invalidation }) => emitted.push(invalidation.id));
    coalescer.add(stale(1, 'a'));
    coalescer.add(stale(1, 'b'));
    expect(emitted).toEqual(['a', 'b']);
    coalescer.close();
  });
});
