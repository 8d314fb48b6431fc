import { TooOften } from './problem.js';

/** Addresses that are remembered at the same time. */
const MAX_BUCKETS = 10_000;

/** A token bucket per key, of this replica alone. */
export class RateLimit {
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  /** @param perMinute how many may come within a minute; as many may come at once. */
  constructor(
    private readonly perMinute: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Takes one. @throws TooOften (429) with the time until the next. */
  take(key: string): void {
    const now = this.nowMs();
    const perMs = this.perMinute / 60_000;
    const bucket = this.buckets.get(key) ?? { tokens: this.perMinute, at: now };
    const tokens = Math.min(this.perMinute, bucket.tokens + (now - bucket.at) * perMs);
    this.buckets.delete(key);
    if (this.buckets.size >= MAX_BUCKETS) this.buckets.delete(this.buckets.keys().next().value!);
    this.buckets.set(key, { tokens: Math.max(0, tokens - 1), at: now });
    if (tokens < 1)
      throw new TooOften('Too many requests from this address', (1 - tokens) / perMs, { remedy: 'Wait a moment.' });
  }
}
