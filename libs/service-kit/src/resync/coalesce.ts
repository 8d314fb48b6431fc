/**
 * At most one pass of `work` at a time; a call during a pass runs exactly one more after it. The promise resolves when
 * a pass that began after the call has ended, and rejects with that pass's error.
 */
export function coalesce(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    const pass = work().finally(() => {
      if (running === pass) running = undefined;
    });
    running = pass;
    return pass;
  };
  return () => {
    if (running === undefined) return begin();
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return begin();
      });
    return next;
  };
}
