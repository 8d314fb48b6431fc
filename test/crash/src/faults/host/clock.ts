/** Sets this process's wall clock off by so many ms. What is monotonic (performance.now, timers) stays as it is. */
export function shiftClock(byMs: number): void {
  const RealDate = Date;
  const now = (): number => RealDate.now() + byMs;
  class ShiftedDate extends RealDate {
    constructor(...parameters: unknown[]) {
      if (parameters.length === 0) super(now());
      else super(...(parameters as [number]));
    }
    static override now(): number {
      return now();
    }
  }
  // Called without `new` it is a string of the present moment.
  globalThis.Date = new Proxy(ShiftedDate, { apply: () => new ShiftedDate().toString() }) as unknown as DateConstructor;
}
