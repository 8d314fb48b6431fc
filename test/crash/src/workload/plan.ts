import type { Random } from '../adversary/random.js';
import { KIND_NAMES, KINDS, type Kind, type KindName } from './kinds.js';

/** One task that is wanted, and what is known of it from the outset. */
export interface PlannedTask {
  /** Unique; the title of the ticket and of the task. */
  readonly name: string;
  readonly kind: KindName;
  readonly fullName: string;
  /** As a ticket at the forge, or by POST with an Idempotency-Key. */
  readonly via: 'ticket' | 'post';
  /** After the start of the workload. */
  readonly arrivesAtMs: number;
  readonly script: {
    readonly name: string;
    readonly kind: KindName;
    readonly lines: number;
    readonly everyMs: number;
    readonly micros: number;
  };
}

/** A fifth comes by POST; each kind comes at its share, the long-lived ones in the first two thirds of the time. */
export function planTasks(
  count: number,
  spreadMs: number,
  repositories: readonly string[],
  random: Random,
  lineEveryMs = 0,
): PlannedTask[] {
  const names = KIND_NAMES.filter((name) => ((KINDS[name] as Kind).fromTasks ?? 0) <= count);
  const bag = names.flatMap((name) => Array.from({ length: KINDS[name].share }, () => name));
  // Each kind once, then by share: a small run has them all, too.
  const kinds: KindName[] = random.shuffled(names).slice(0, count);
  while (kinds.length < count) kinds.push(...random.shuffled(bag).slice(0, count - kinds.length));
  return random
    .shuffled(kinds)
    .map((kind, index): PlannedTask => {
      const name = `t${String(index + 1).padStart(4, '0')}-${kind}`;
      const long = KINDS[kind].runs > 1 || kind === 'conflict';
      const [from, to] = KINDS[kind].everyMs;
      return {
        ...{ name, kind, fullName: random.pick(repositories), via: random.chance(0.2) ? 'post' : 'ticket' },
        arrivesAtMs: random.int(0, long ? Math.floor((spreadMs * 2) / 3) : spreadMs),
        script: {
          ...{ name, kind },
          lines: random.int(5, 20),
          everyMs: Math.max(lineEveryMs, random.int(from, to)),
          micros: random.int(1, 9_999),
        },
      };
    })
    .sort((one, other) => one.arrivesAtMs - other.arrivesAtMs);
}
