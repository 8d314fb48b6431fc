import { grouped, violation, type Violation } from '../violation.js';
import type { World } from '../world.js';

const LAW = 'what a task cost is what its agents reported';

/** In millionths of a dollar: sums are exact. */
export function costs({ wanted, agents, database, takenLives }: World): Violation[] {
  const found: Violation[] = [];
  const runs = new Map(database.runs.map((run) => [run.id, run]));
  const usage = grouped(database.usage, ({ runId }) => runId);
  for (const { runId, name, micros } of agents) {
    const run = runs.get(runId);
    // Whether the last report of an agent that was killed came through is anybody's guess.
    if (run === undefined || takenLives.includes(runId)) continue;
    if (microsOf(run.costUsd) !== micros)
      found.push(violation(LAW, `run ${runId} of ${name} cost ${micros} µ$, and ${run.costUsd} is stored`, run));
    const metered = (usage.get(runId) ?? []).reduce((sum, { costUsd }) => sum + microsOf(costUsd), 0);
    if (metered !== micros)
      found.push(violation(LAW, `run ${runId} of ${name}: usage holds ${metered} µ$, not ${micros}`, usage.get(runId)));
  }
  const byTask = grouped(database.runs, ({ taskId }) => taskId);
  const names = new Set(wanted.map(({ name }) => name));
  for (const task of database.tasks.filter(({ title }) => names.has(title))) {
    const sum = (byTask.get(task.id) ?? []).reduce((total, { costUsd }) => total + microsOf(costUsd), 0);
    if (microsOf(task.costUsd) !== sum)
      found.push(violation(LAW, `${task.title} says that it cost ${task.costUsd}; its runs cost ${sum} µ$`, task));
  }
  return found;
}

function microsOf(usd: string): number {
  return Math.round(Number(usd) * 1e6);
}
