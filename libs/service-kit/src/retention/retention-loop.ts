import type { Loops } from '../resync/loops.js';
import type { Loop } from '../resync/resync.js';
import type { Retention, RetentionRule } from './retention.js';

const EVERY_MS = 10 * 60_000;

/** Sweeps at the start of a service and every ten minutes; at once again where a sweep left something behind. */
export function retentionLoop(loops: Loops, retention: Retention, rules: readonly RetentionRule[]): Loop {
  const loop: Loop = loops.every({
    name: 'retention',
    everyMs: EVERY_MS,
    pass: async (stopped) => {
      const { more } = await retention.sweep(rules, stopped);
      if (more && !stopped()) void loop.wake();
    },
  });
  return loop;
}
