import { TransientError, backoffMs } from '@capstan/domain';

const RETRY = { baseMs: 200, maxMs: 3_000 };

/** Waits between tries of one run's owner; nobody waits for what was let go. */
export class Patience {
  constructor(private readonly signal: AbortSignal) {}

  /** Repeats what failed for a reason that passes (TransientError), as long as it takes. */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TransientError) || this.signal.aborted) throw error;
        await this.pause(attempt);
      }
    }
  }

  async pause(attempt: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt, Math.random(), RETRY)));
  }
}
