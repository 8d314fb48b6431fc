import { setTimeout as delay } from 'node:timers/promises';

/**
 * Spaces writes within GitHub's limit of 80 a minute for requests that make content: a burst passes at once, then one
 * each interval. It stands in for the throttling plugin's own groups, which hold every comment back for 3 s.
 */
export class WritePacer {
  readonly #intervalMs: number;
  readonly #burst: number;
  /** When the bucket is full again, ms on the monotonic clock. */
  #fullAt = 0;

  constructor(intervalMs = 1_000, burst = 20) {
    this.#intervalMs = intervalMs;
    this.#burst = burst;
  }

  /** The plugin asks for a group per client; there is one pacer per client already. */
  key(): this {
    return this;
  }

  async schedule<T>(_: unknown, task: (...args: unknown[]) => Promise<T>, ...args: unknown[]): Promise<T> {
    const now = performance.now();
    this.#fullAt = Math.max(now, this.#fullAt) + this.#intervalMs;
    const waitMs = this.#fullAt - this.#burst * this.#intervalMs - now;
    if (waitMs > 0) await delay(waitMs, undefined, { ref: false });
    return task(...args);
  }
}
