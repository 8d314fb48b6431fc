import { comments } from './laws/comments.js';
import { costs } from './laws/costs.js';
import { endStates } from './laws/end-states.js';
import { hosts } from './laws/hosts.js';
import { leftovers } from './laws/leftovers.js';
import { lives } from './laws/lives.js';
import { logs } from './laws/logs.js';
import { looks } from './laws/looks.js';
import { publishing } from './laws/publishing.js';
import type { Violation } from './violation.js';
import type { World } from './world.js';

/** The laws, each a pure function of what was read. They share no code with the services that they judge. */
const LAWS: readonly ((world: World) => Violation[])[] = [
  endStates,
  lives,
  publishing,
  looks,
  comments,
  logs,
  costs,
  leftovers,
  hosts,
];

/** Everything that doesn't hold; empty is what a run has to come to. */
export function audit(world: World): Violation[] {
  return LAWS.flatMap((law) => law(world));
}
