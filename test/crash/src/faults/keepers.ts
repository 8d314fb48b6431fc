import type { Action } from '../adversary/action.js';
import type { Stage } from '../stage/stage.js';
import { signalOne } from '../stage/processes.js';
import { keptRuns } from './kept-run.js';

/** A task whose agents are taken again and again would rightly be given up. */
const once = new WeakMap<Stage, Set<string>>();

/** The supervisor of a run at work, killed: its agent ends with it, and its task lives on in another run. */
export const killKeeper: Action = {
  name: 'kill-keeper',
  weight: 2,
  async act(stage, random, note) {
    const taken = once.get(stage) ?? new Set<string>();
    once.set(stage, taken);
    const tasks = await tasksOf(stage);
    const eligible = keptRuns(stage).filter(({ runId }) => tasks.has(runId) && !taken.has(tasks.get(runId)!));
    if (eligible.length === 0) return note('no run is kept whose task has lost none yet');
    const { runId, keeper } = random.pick(eligible);
    taken.add(tasks.get(runId)!);
    stage.takenLives.add(runId);
    note(signalOne(keeper, 'SIGKILL') ? `SIGKILL to the keeper of run ${runId}` : `the keeper of ${runId} was over`);
  },
};

/** Task by run; none while Postgres is away on purpose. */
async function tasksOf(stage: Stage): Promise<Map<string, string>> {
  const { rows } = await stage.database
    .query<{ id: string; taskId: string }>(`select id, task_id as "taskId" from run where state <> 'finished'`)
    .catch(() => ({ rows: [] }));
  return new Map(rows.map(({ id, taskId }) => [id, taskId]));
}
