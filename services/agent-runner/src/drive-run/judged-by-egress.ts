import { setTimeout as pause } from 'node:timers/promises';
import { costLimitReached } from '@capstan/domain';
import type { AgentAdapter, Judgement } from '@capstan/agents';
import type { Database, Run } from '@capstan/database';

/** Egress writes down what calls cost each second; this much later the last one is in Postgres. ms */
const WRITTEN_AFTER_MS = 1_500;

/**
 * The judgement of a run that failed because egress asks no model any more for a task whose budget is spent: to the
 * agent's program that is a refusal like any other, and its words are not to be searched.
 */
export async function judgedByBudget(
  database: Database,
  run: Pick<Run, 'taskId' | 'limits'>,
  agent: Pick<AgentAdapter, 'credentials'>,
  judgement: Judgement,
): Promise<Judgement> {
  const kind = judgement.outcome?.kind;
  if (agent.credentials.length === 0 || (kind !== 'failed' && kind !== 'credential_refused')) return judgement;
  const { maxCostUsd } = run.limits;
  let cost = await readCost(database, run.taskId);
  if (!costLimitReached(cost, maxCostUsd)) {
    await pause(WRITTEN_AFTER_MS);
    cost = await readCost(database, run.taskId);
  }
  if (!costLimitReached(cost, maxCostUsd)) return judgement;
  const detail = `The task has cost $${cost.toFixed(2)} of $${maxCostUsd.toFixed(2)}`;
  return { verdict: 'outcome', outcome: { kind: 'limit_reached', detail, symptom: 'cost_limit' } };
}

/** What a task cost over all its runs, USD: of each run what its agent told, or what egress counted where that is more. */
async function readCost(database: Database, taskId: string): Promise<number> {
  const [row] = await database.query<{ cost: number }>(
    `select coalesce(sum(greatest(r.cost_usd, (select sum(m.cost_usd) from model_use m where m.run_id = r.id))), 0)::float8 as cost
       from run r where r.task_id = $1`,
    [taskId],
  );
  return row!.cost;
}
