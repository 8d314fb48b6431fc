import { setTimeout as pause } from 'node:timers/promises';
import type { Stage } from '../stage/stage.js';
import type { Action } from './action.js';
import { Random } from './random.js';

/** One line of the schedule: everything that the adversary will do is known before it begins. */
export interface Scheduled {
  /** After its beginning. */
  readonly atMs: number;
  readonly action: string;
  /** All chance within the action comes from this. */
  readonly seed: number;
}

/** What was really done. */
export interface Deed {
  /** Unix ms. */
  readonly at: number;
  readonly action: string;
  readonly text: string;
}

const AT_ONCE = 3;
/** What couldn't begin within this of its time, for others took theirs, is left out: the fire ends when it was to. ms */
const LATE_MS = 30_000;

/**
 * Draws actions until the time is full: first each once, then from a bag that holds as many copies of each as it weighs,
 * filled again when it is empty.
 */
export function planSchedule(
  actions: readonly Action[],
  lengthMs: number,
  gapMs: readonly [number, number],
  random: Random,
): Scheduled[] {
  const bag = actions.flatMap(({ name, weight }) => Array.from({ length: weight }, () => name));
  const schedule: Scheduled[] = [];
  let drawn = random.shuffled(actions.map(({ name }) => name));
  for (let atMs = random.int(...gapMs); atMs < lengthMs; atMs += random.int(...gapMs)) {
    if (drawn.length === 0) drawn = random.shuffled(bag);
    if (drawn.length === 0) break;
    schedule.push({ atMs, action: drawn.pop()!, seed: random.fork().seed });
  }
  return schedule;
}

/** Carries a schedule out against a stage. */
export class Adversary {
  readonly deeds: Deed[] = [];
  private underWay = new Set<Promise<void>>();
  private stopped = false;

  constructor(
    private readonly stage: Stage,
    private readonly actions: readonly Action[],
    readonly schedule: readonly Scheduled[],
    private readonly tell: (deed: Deed) => void,
  ) {}

  /** Resolves when the last action has ended. One that fails is a complaint. */
  async act(): Promise<void> {
    const began = performance.now();
    for (const { atMs, action, seed } of this.schedule) {
      await this.pause(began + atMs - performance.now());
      while (this.underWay.size >= AT_ONCE) await Promise.race(this.underWay);
      if (this.stopped) break;
      const lateMs = performance.now() - began - atMs;
      if (lateMs > LATE_MS) {
        this.note(action, `left out, ${Math.round(lateMs / 1_000)} s after its time`);
        continue;
      }
      const work = this.one(action, new Random(seed)).catch((error: unknown) => {
        this.stage.complain(`the action ${action} (seed ${seed}) failed: ${String(error)}`);
      });
      const entry = work.finally(() => this.underWay.delete(entry));
      this.underWay.add(entry);
    }
    await Promise.all(this.underWay);
  }

  /** No further action begins. */
  stop(): void {
    this.stopped = true;
  }

  private async one(name: string, random: Random): Promise<void> {
    const action = this.actions.find((each) => each.name === name);
    if (action === undefined) throw new Error(`there is no action ${name}`);
    await action.act(this.stage, random, (text) => this.note(name, text));
  }

  private note(action: string, text: string): void {
    const deed = { at: Date.now(), action, text };
    this.deeds.push(deed);
    this.tell(deed);
  }

  private async pause(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (!this.stopped && performance.now() < end) await pause(Math.min(200, Math.max(0, end - performance.now())));
  }
}
