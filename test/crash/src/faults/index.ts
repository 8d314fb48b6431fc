import type { Action } from '../adversary/action.js';
import { partClocks } from './clocks.js';
import { breakForge, confuseWebhooks, limitForge, loseAnswers } from './forge.js';
import { killKeeper } from './keepers.js';
import { walkFaultPoints } from './walk.js';

/** Faults of the forge, at named points, of clocks and disks, and of agents. */
export const FAULTS: readonly Action[] = [
  walkFaultPoints,
  loseAnswers,
  breakForge,
  limitForge,
  confuseWebhooks,
  partClocks,
  killKeeper,
];
