import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';

/** A start that takes longer, for its repository is large or its set-up slow, keeps nobody waiting any more. ms */
const HELD_AT_MOST_MS = 2_000;

/**
 * Lets a few agents, and connections to them, start at a time, first come, first served. Making a worktree and starting two processes is work
 * for a core: a hundred at one moment starve everything else on the machine, and each of them is late.
 */
export class StartGate {
  private readonly limit: LimitFunction;

  constructor(
    atOnce: number,
    private readonly heldAtMostMs = HELD_AT_MOST_MS,
  ) {
    this.limit = pLimit(atOnce);
  }

  /** Calls `start` when it is its turn, and answers as it does. */
  pass<T>(start: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      void this.limit(async () => {
        const started = start();
        started.then(resolve, reject);
        const enough = new AbortController();
        const settled = started.then(
          () => enough.abort(),
          () => enough.abort(),
        );
        const long = sleep(this.heldAtMostMs, undefined, { signal: enough.signal }).catch(() => undefined);
        await Promise.race([settled, long]);
      });
    });
  }

  /**
   * Items as they come, the first one in its turn: a connection is a process in the pod, too, and where all of them broke
   * at once they would starve one another for good.
   */
  async *begin<T>(items: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
    try {
      for (let next = await this.pass(() => items.next()); next.done !== true; next = await items.next())
        yield next.value;
    } finally {
      await items.return();
    }
  }
}
