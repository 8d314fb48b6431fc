/**
 * Runs `work` with a signal that Ctrl-C aborts, and waits for its end either way: whoever cleans up afterwards does so
 * alone. `work` looks at the signal between its steps.
 */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort(new Error('interrupted'));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await work(interruption.signal);
  } catch (error) {
    // What broke off because of it says so in its own words.
    interruption.signal.throwIfAborted();
    throw error;
  } finally {
    for (const signal of signals) process.removeListener(signal, interrupt);
  }
}
