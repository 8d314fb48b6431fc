/** What the demo measures, in seconds. */
export interface DemoSeconds {
  total: number;
  install: number;
  start: number;
  ticketToTask: number;
  taskToRun: number;
  run: number;
  publish: number;
  ci: number;
  merge: number;
}

/** Laps from one mark to the next. */
export class Stopwatch {
  private readonly began = performance.now();
  private last = this.began;

  /** @param installMs what had passed before this process could measure. */
  constructor(private readonly installMs: number) {}

  /** Seconds since the last lap. */
  lap(): number {
    const now = performance.now();
    const seconds = round((now - this.last) / 1000);
    this.last = now;
    return seconds;
  }

  /** Seconds since a person typed the command. */
  total(): number {
    return round((performance.now() - this.began + this.installMs) / 1000);
  }
}

export function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
