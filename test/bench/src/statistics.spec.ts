import fc from 'fast-check';
import { inversions, spread } from './statistics.js';

describe('spread', () => {
  it('states values that were measured, by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(spread(values)).toEqual({ n: 100, min: 1, p50: 50, p95: 95, p99: 99, max: 100 });
    expect(spread([7])).toEqual({ n: 1, min: 7, p50: 7, p95: 7, p99: 7, max: 7 });
  });

  it('holds for any sample: each percentile is one of it, in order, with enough at or below it', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1, maxLength: 60 }), (values) => {
        const { min, p50, p95, p99, max } = spread(values);
        const inOrder = [min, p50, p95, p99, max];
        expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
        for (const [value, share] of [
          [p50, 0.5],
          [p95, 0.95],
          [p99, 0.99],
        ] as const) {
          expect(values).toContain(value);
          expect(values.filter((each) => each <= value).length).toBeGreaterThanOrEqual(share * values.length);
          expect(values.filter((each) => each < value).length).toBeLessThan(share * values.length);
        }
      }),
    );
  });

  it('leaves the sample as it was, and refuses an empty one', () => {
    const values = [3, 1, 2];
    spread(values);
    expect(values).toEqual([3, 1, 2]);
    expect(() => spread([])).toThrow(RangeError);
  });
});

describe('inversions', () => {
  it.each([
    [[], 0],
    [[1, 2, 3], 0],
    [[3, 2, 1], 3],
    [[2, 1, 3], 1],
    [[1, 1], 0],
  ])('of %j is %i', (begun, expected) => expect(inversions(begun)).toBe(expected));
});
