/**
 * Calls `check` until it neither throws nor answers `false`, and gives back its answer.
 * @param withinMs how long to go on; the last failure is thrown then.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  withinMs = 10_000,
  everyMs = 25,
): Promise<Exclude<T, false>> {
  const end = performance.now() + withinMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await check();
      if (value !== false) return value as Exclude<T, false>;
      failure = new Error(`still false after ${withinMs} ms: ${check.toString().slice(0, 200)}`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= end) throw failure;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
