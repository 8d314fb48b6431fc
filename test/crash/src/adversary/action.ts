import type { Stage } from '../stage/stage.js';
import type { Random } from './random.js';

/**
 * One thing that the adversary does to a running Capstan. It draws all its chance from `random`, notes what it really
 * did (printed with the time, and kept in the report), and leaves nothing broken behind: when the promise resolves, what
 * it stopped goes on. Up to two actions are under way at once, so it must bear a host that is down already.
 * A promise that is rejected is a complaint, and makes the run fail.
 */
export interface Action {
  readonly name: string;
  /** How often it is drawn, beside the others: a whole number, copies in the bag that the schedule is drawn from. */
  readonly weight: number;
  act(stage: Stage, random: Random, note: (text: string) => void): Promise<void>;
}
