import type { Id } from '@capstan/domain';

/** How long a client waits for the answer of another service. ms */
const WAIT_MS = 2_000;
/** The row is looked at this often, whether an event came or not. ms */
const LOOK_EVERY_MS = 250;

/** Waits for answers that other services write into rows of requests. */
export class AnswerWaiter {
  private readonly waiting = new Map<Id, () => void>();

  /** The answer may be there. */
  wake(id: Id): void {
    this.waiting.get(id)?.();
  }

  wakeAll(): void {
    for (const wake of this.waiting.values()) wake();
  }

  /** Reads until the row is answered, or for two seconds; answers what was read last. */
  async wait<Row>(id: Id, read: () => Promise<Row>, answered: (row: Row) => boolean): Promise<Row> {
    const end = performance.now() + WAIT_MS;
    for (;;) {
      // Before the row is read, so that no answer falls between the look and the wait.
      const woken = new Promise<void>((resolve) => this.waiting.set(id, resolve));
      const row = await read();
      const leftMs = end - performance.now();
      if (answered(row) || leftMs <= 0) {
        this.waiting.delete(id);
        return row;
      }
      let timer: NodeJS.Timeout | undefined;
      const tick = new Promise<void>((resolve) => (timer = setTimeout(resolve, Math.min(LOOK_EVERY_MS, leftMs))));
      await Promise.race([woken, tick]);
      clearTimeout(timer);
    }
  }
}
