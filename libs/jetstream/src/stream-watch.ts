/** What tells one stream, and whether anything gets into it. */
export interface StreamLook {
  /** When the server made it. */
  readonly created: string;
  readonly lastSequence: number;
}

/** Looks in a row that must find the same stream untouched, and publishes that must have failed between them. */
const LOOKS = 5;
const FAILURES = 2;

/**
 * Tells a stream that is dead from one that is away: it is there at each look, nothing gets into it from anybody, and
 * all publishes of this process fail meanwhile. Looks are counted instead of time, since a process or a machine that
 * slept has only one of these.
 */
export class StreamWatch {
  private failures = 0;
  private looks = 0;
  private failuresAtFirstLook = 0;
  private last: StreamLook | undefined;

  /** The stream took a message. */
  accepted(): void {
    this.failures = 0;
    this.unanswered();
  }

  /** A connected broker didn't say that the stream took a message. */
  refused(): void {
    this.failures += 1;
  }

  /** No publish has worked since one failed. */
  get failing(): boolean {
    return this.failures > 0;
  }

  /** The server said nothing about the stream: it is away, which is no reason to delete anything. */
  unanswered(): void {
    this.last = undefined;
  }

  /** @param found what the server says of the stream now. */
  isDead(found: StreamLook): boolean {
    const same = this.last?.created === found.created && this.last.lastSequence === found.lastSequence;
    if (!same) {
      this.looks = 0;
      this.failuresAtFirstLook = this.failures;
    }
    this.last = found;
    this.looks += 1;
    const dead = this.looks >= LOOKS && this.failures - this.failuresAtFirstLook >= FAILURES;
    // The next one is a stream of its own, with a history of its own.
    if (dead) this.unanswered();
    return dead;
  }
}
