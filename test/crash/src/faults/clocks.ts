import { setTimeout as pause } from 'node:timers/promises';
import type { Action } from '../adversary/action.js';
import { CLOCK_SHIFT } from './host/program.config.js';
import { HOST_PROGRAM } from './walk.js';

const HOUR_MS = 3_600_000;
const APART_MS: readonly [number, number] = [8_000, 20_000];

/** Two hosts whose clocks are an hour before and an hour after everybody else's, for a while. */
export const partClocks: Action = {
  name: 'part-clocks',
  weight: 2,
  async act(stage, random, note) {
    const [early, late] = random.shuffled(stage.hosts.all);
    stage.hostEntry = HOST_PROGRAM;
    try {
      await early!.restart({ [CLOCK_SHIFT]: String(-HOUR_MS) }, 90_000);
      await late!.restart({ [CLOCK_SHIFT]: String(HOUR_MS) }, 90_000);
      note(`the clock of ${early!.name} is an hour slow, that of ${late!.name} an hour fast`);
      await pause(random.int(...APART_MS));
    } finally {
      await early!.restart({ [CLOCK_SHIFT]: '0' }, 90_000);
      await late!.restart({ [CLOCK_SHIFT]: '0' }, 90_000);
    }
    note(`the clocks of ${early!.name} and ${late!.name} are right again`);
  },
};
