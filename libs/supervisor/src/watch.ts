import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';

/** Wakes whoever waits for a change in a directory or file: by the system's notice, and by a poll where it gives none. */
export class Watch {
  private watcher: FSWatcher | undefined;
  private wake: (() => void) | undefined;
  private changed = false;

  constructor(path: string) {
    try {
      this.watcher = watch(path, () => this.notice());
      // A lost watch costs latency, never a change: waiters poll.
      this.watcher.on('error', () => this.drop());
    } catch {
      this.drop();
    }
  }

  /** Answers after a change since the last call, or after the poll interval, whichever is first. */
  async next(pollMs = 250): Promise<void> {
    if (!this.changed) {
      const waitMs = this.watcher === undefined ? Math.min(pollMs, 20) : pollMs;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = undefined;
    }
    this.changed = false;
  }

  notice(): void {
    this.changed = true;
    this.wake?.();
  }

  close(): void {
    this.drop();
    this.notice();
  }

  private drop(): void {
    this.watcher?.close();
    this.watcher = undefined;
  }
}
