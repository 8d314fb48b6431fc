import { KINDS } from '../../workload/kinds.js';
import { violation, type Violation } from '../violation.js';
import type { Issue, WantedTask, World } from '../world.js';

const LAW = 'one set of comments on each ticket, in order, and a closed ticket where the task is completed';
const MARKER = /<!-- capstan:effect:([0-9a-f-]{36}) -->\s*$/;
const BOT = 'capstan-bot';

export function comments(world: World): Violation[] {
  const tickets = world.wanted.filter(({ ticket }) => ticket !== null);
  return [
    ...tickets.flatMap((wanted) => {
      const repository = world.forge.find(({ fullName }) => fullName === wanted.fullName);
      const issue = repository?.issues.find(({ number }) => number === wanted.ticket);
      if (issue === undefined) return [violation(LAW, `the ticket of ${wanted.name} is gone`, wanted)];
      return onTicket(world, wanted, issue);
    }),
    ...onPullRequests(world),
  ];
}

function onTicket(world: World, wanted: WantedTask, issue: Issue): Violation[] {
  const { state, pullRequest } = KINDS[wanted.kind];
  const said = issue.comments.filter(({ author }) => author === BOT).map(({ body }) => wordOf(world, body));
  const right = [
    'picked_up',
    ...(pullRequest === 'none' ? [] : ['pull_request']),
    state === 'completed' ? 'done' : 'failed',
  ];
  const name = `${wanted.fullName}#${issue.number} of ${wanted.name}`;
  const found: Violation[] = [];
  if (said.join() !== right.join())
    found.push(violation(LAW, `${name} was told ${said.join(', ') || 'nothing'}, not ${right.join(', ')}`, issue));
  if ((issue.state === 'closed') !== (state === 'completed'))
    found.push(violation(LAW, `${name} is ${issue.state}, and its task has to be ${state}`, issue));
  return found;
}

/** The last word of the key of the effect whose marker a comment carries. */
function wordOf({ database }: World, body: string): string {
  const id = MARKER.exec(body)?.[1];
  if (id === undefined) return 'something without a marker';
  const effect = database.effects.find((each) => each.id === id);
  return effect === undefined ? `something of an effect that nobody knows (${id})` : effect.key.split(':').at(-1)!;
}

/** Nothing was to be said there. */
function onPullRequests({ forge }: World): Violation[] {
  return forge.flatMap(({ fullName, issues, pulls }) =>
    issues
      .filter(({ number }) => pulls.some((pull) => pull.number === number))
      .filter((issue) => issue.comments.some(({ author }) => author === BOT))
      .map((issue) => violation(LAW, `${fullName}#${issue.number} was commented on`, issue)),
  );
}
