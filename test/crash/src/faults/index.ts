import type { Action } from '../adversary/action.js';

/** Faults of the forge, at named points, of clocks and disks, and of agents. */
export const FAULTS: readonly Action[] = [];
