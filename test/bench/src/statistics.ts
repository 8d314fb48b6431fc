/** A sample's shape. Percentiles are nearest-rank: each is a value that was measured. */
export interface Spread {
  readonly n: number;
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** @throws RangeError for an empty sample. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return {
    n: sorted.length,
    min: sorted[0]!,
    p50: rank(0.5),
    p95: rank(0.95),
    p99: rank(0.99),
    max: sorted.at(-1)!,
  };
}

/** Pairs that came in another order than they were asked in; `begun` is in the order of asking. */
export function inversions(begun: readonly number[]): number {
  let count = 0;
  for (let i = 0; i < begun.length; i += 1)
    for (let j = i + 1; j < begun.length; j += 1) if (begun[i]! > begun[j]!) count += 1;
  return count;
}
