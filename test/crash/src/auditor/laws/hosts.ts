import { violation, type Violation } from '../violation.js';
import type { World } from '../world.js';

const EXITS = 'no service ends by itself';
const SEEN = 'nobody saw what must never be seen';

export function hosts(world: World): Violation[] {
  return [
    ...world.hosts.flatMap(({ name, events }) =>
      events
        .filter(({ what, asked }) => what === 'ended' && asked !== true)
        .map((event) => violation(EXITS, `${name} ended with ${event.signal ?? event.code}`, event)),
    ),
    ...world.complaints.map(({ at, text }) => violation(SEEN, text, { at: new Date(at).toISOString() })),
  ];
}
