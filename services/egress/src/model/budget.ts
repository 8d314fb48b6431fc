import type { Database } from '@capstan/database';
import { AGENT_TEST_CALLS, costLimitReached, spentBudget, type RunCost } from '@capstan/domain';
import type { LiveRun } from '../admit/live-runs.js';
import type { Recorder } from '../record/recorder.js';
import type { Refusal } from '../server/refusal.js';

/** Whether a task may ask a model once more, by what it cost so far. @throws TransientError while Postgres is away. */
export async function checkBudget(database: Database, recorder: Recorder, run: LiveRun): Promise<Refusal | null> {
  if (run.isTest === true) return checkTest(recorder, run);
  const rows = await database.query<RunCost & { readonly runId: string }>(
    `select r.id as run_id, r.cost_usd::float8 as told_usd, coalesce(sum(m.cost_usd), 0)::float8 as counted_usd
       from run r left join model_use m on m.run_id = r.id where r.task_id = $1 group by r.id`,
    [run.taskId],
  );
  const { maxCostUsd } = run.limits;
  const costs = rows.map(({ runId, toldUsd, countedUsd }) => {
    return { toldUsd, countedUsd: countedUsd + recorder.unwrittenCost(runId) };
  });
  const cost = spentBudget(costs, maxCostUsd);
  if (cost === null) return null;
  return {
    reason: 'budget',
    status: 403,
    words: `budget: the task has cost $${cost.toFixed(2)} of the $${maxCostUsd.toFixed(2)} that it may. Nothing more is asked of a model for it; a person can raise the task's maxCostUsd.`,
  };
}

function checkTest(recorder: Recorder, { id, limits: { maxCostUsd } }: LiveRun): Refusal | null {
  const { calls, costUsd } = recorder.ofTest(id);
  if (calls < AGENT_TEST_CALLS && !costLimitReached(costUsd, maxCostUsd)) return null;
  return {
    reason: 'budget',
    status: 403,
    words: `budget: a test of an agent may ask a model ${AGENT_TEST_CALLS} times, for $${maxCostUsd.toFixed(2)} in all. One line is answered by then.`,
  };
}
