import type { Id } from '@capstan/domain';

/** Connections and requests that one run may have open at the same time. */
export const MAX_OPEN = 256;

/** Something of a run that is open, and can be ended from outside. */
interface Open {
  end(): void;
}

/** What each run has open: bounded, and ended with the run. */
export class Places {
  private readonly open = new Map<Id, Set<Open>>();

  /** Null: the run has all its places taken. Call what it gives back once, when the thing has ended. */
  take(runId: Id, end: () => void): (() => void) | null {
    const all = this.open.get(runId) ?? new Set<Open>();
    if (all.size >= MAX_OPEN) return null;
    const each = { end };
    this.open.set(runId, all.add(each));
    return () => {
      all.delete(each);
      if (all.size === 0 && this.open.get(runId) === all) this.open.delete(runId);
    };
  }

  get runs(): readonly Id[] {
    return [...this.open.keys()];
  }

  /** Ends everything that a run has open. */
  end(runId: Id): void {
    for (const each of this.open.get(runId) ?? []) each.end();
  }
}
