import { KINDS } from '../../workload/kinds.js';
import { grouped, violation, type Violation } from '../violation.js';
import type { World } from '../world.js';

const LAW = 'an agent lives exactly as often as its task needs, once per run, one at a time, and to its end';

export function lives(world: World): Violation[] {
  return [...world.agents.flatMap((agent) => oneLife(world, agent)), ...perTask(world), ...perRun(world)];
}

function oneLife({ database, takenLives }: World, agent: World['agents'][number]): Violation[] {
  const { runId, name, starts, end } = agent;
  const faults: string[] = [];
  if (starts.length !== 1) faults.push(`was started ${starts.length} times`);
  if (end === null && !takenLives.includes(runId)) faults.push('never came to its end');
  if (!database.runs.some(({ id }) => id === runId)) faults.push('is of a run that nobody knows');
  return faults.map((fault) => violation(LAW, `the agent of ${name}, run ${runId}, ${fault}`, agent));
}

function perTask({ wanted, agents, takenLives }: World): Violation[] {
  const byName = grouped(agents, ({ name }) => name);
  return wanted.flatMap(({ name, kind }) => {
    const mine = byName.get(name) ?? [];
    const taken = mine.filter(({ runId }) => takenLives.includes(runId)).length;
    const right = KINDS[kind].runs;
    const found: Violation[] = [];
    if (mine.length < right || mine.length > right + taken)
      found.push(violation(LAW, `${name} took ${mine.length} agents, not ${right}`, { runs: mine, taken }));
    const inOrder = mine.flatMap(({ runId, starts, end }) =>
      starts.map(({ at }) => ({ runId, from: at, to: end?.at ?? at })),
    );
    inOrder.sort((one, other) => one.from - other.from);
    for (const [index, next] of inOrder.entries()) {
      const before = inOrder[index - 1];
      if (before !== undefined && before.to > next.from)
        found.push(violation(LAW, `two agents of ${name} were at work at once`, [before, next]));
    }
    return found;
  });
}

/** Outcomes that rest on an agent's work or its end. */
const LIVED = new Set(['commits', 'no_changes', 'failed', 'limit_reached']);

function perRun({ database, agents, takenLives }: World): Violation[] {
  const lived = new Set(agents.map(({ runId }) => runId));
  return database.runs.flatMap((run) => {
    const faults: string[] = [];
    if (run.state !== 'finished') faults.push(`is ${run.state} (owner ${run.owner})`);
    if (run.outcome !== null && LIVED.has(run.outcome) && !lived.has(run.id))
      faults.push(`ended as ${run.outcome} without an agent`);
    if (run.outcome === 'lost' && !takenLives.includes(run.id)) faults.push(`was lost: ${run.detail}`);
    return faults.map((fault) => violation(LAW, `run ${run.number} of task ${run.taskId} ${fault}`, run));
  });
}
