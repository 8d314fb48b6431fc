/** Exponential back-off with full jitter above half. */
export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * How long to wait before the next attempt, in ms.
 * @param attempts attempts made so far (≥ 1).
 * @param random a number in [0, 1).
 */
export function backoffMs(attempts: number, random: number, { baseMs, maxMs }: Backoff): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(attempts, 1) - 1, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
