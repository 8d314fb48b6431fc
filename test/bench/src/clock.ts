let offsetMs = 0;

/**
 * Sets this process's fine clock by the machine's: waits for the millisecond to turn, so that the two agree to some
 * hundredths of it. The machine's clock may be slewed, so it is set anew before each bench.
 */
export function setClock(): void {
  const now = Date.now();
  for (;;) {
    const next = Date.now();
    if (next === now) continue;
    offsetMs = next - performance.now();
    return;
  }
}

/** Unix ms with fractions, on the clock that Postgres and the agents of this machine read too. */
export function wallMs(): number {
  return offsetMs + performance.now();
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Fires `count` times at a fixed rate, whether what was fired before has come back or not. `fire` gets the time at which
 * it was due, Unix ms, from which latency counts: a client that falls behind makes figures worse, not better.
 */
export async function openLoop(
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
  fire: (dueMs: number) => Promise<void>,
): Promise<void> {
  const begin = wallMs() + 20;
  const fired: Promise<void>[] = [];
  for (let index = 0; index < count; index += 1) {
    const dueMs = begin + (index * 1_000) / perSecond;
    const early = dueMs - wallMs();
    if (early > 0) await sleep(early);
    const one = fire(dueMs);
    one.catch(() => undefined); // told by Promise.all, once all are fired
    fired.push(one);
  }
  await Promise.all(fired);
}
