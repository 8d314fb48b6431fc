/** A clock to wait by; the browser's by default. */
export type Wait = (ms: number, then: () => void) => () => void;

export const browserWait: Wait = (ms, then) => {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
};

/** The first of a burst loads at once; the rest of it is one more load, this long after, ms. */
export const BURST_MS = 200;

/**
 * Turns any number of "something changed" into as few loads as keep the page true: at most one load is under way, a
 * change during a load is followed by one more load, and a burst costs two. The last load begins after the last ask.
 */
export class Refetcher {
  readonly #load: () => Promise<void>;
  readonly #wait: Wait;
  readonly #burstMs: number;
  #loading = false;
  #dirty = false;
  #callOff: (() => void) | null = null;
  #stopped = false;

  constructor(load: () => Promise<void>, wait: Wait = browserWait, burstMs = BURST_MS) {
    this.#load = load;
    this.#wait = wait;
    this.#burstMs = burstMs;
  }

  /** Something that is shown may have changed. */
  ask(): void {
    if (this.#stopped) return;
    if (this.#loading || this.#callOff !== null) {
      this.#dirty = true;
      return;
    }
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#callOff?.();
    this.#callOff = null;
  }

  async #run(): Promise<void> {
    this.#loading = true;
    this.#dirty = false;
    try {
      await this.#load();
    } finally {
      this.#loading = false;
      if (!this.#stopped) {
        this.#callOff = this.#wait(this.#burstMs, () => {
          this.#callOff = null;
          if (this.#dirty) void this.#run();
        });
      }
    }
  }
}
