import type { Id } from '@capstan/domain';

/** Work that was begun and must not hold up the loop that found it: at most one per id, and so many at once. */
export class InFlight {
  private readonly work = new Map<Id, Promise<void>>();

  constructor(private readonly limit: number) {}

  get free(): number {
    return Math.max(0, this.limit - this.work.size);
  }
  get ids(): readonly Id[] {
    return [...this.work.keys()];
  }

  /** Begins `run` unless the id is at work already. `run` must not reject. */
  begin(id: Id, run: () => Promise<void>): void {
    if (this.work.has(id) || this.free === 0) return;
    const promise = run().finally(() => this.work.delete(id));
    this.work.set(id, promise);
  }

  /** Resolves when everything that was begun has ended. */
  async drain(): Promise<void> {
    await Promise.all(this.work.values());
  }
}
