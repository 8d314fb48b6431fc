import { setTimeout as pause } from 'node:timers/promises';
import { spentBudget, type RunCost } from '@capstan/domain';
import type { AgentAdapter, Judgement } from '@capstan/agents';
import type { Database, Run } from '@capstan/database';

/** Egress writes down what calls cost each second; this much later the last one is in Postgres. ms */
const WRITTEN_AFTER_MS = 1_500;

/**
 * The judgement of a run, with what egress knows of it: to the agent's program a refusal of egress is one like any other,
 * of which it says what it likes or nothing, and words are not to be searched. Asked of agents of providers only.
 */
export async function judgedByEgress(
  database: Database,
  run: Pick<Run, 'id' | 'taskId' | 'limits'>,
  agent: Pick<AgentAdapter, 'credentials'>,
  judgement: Judgement,
): Promise<Judgement> {
  if (agent.credentials.length === 0) return judgement;
  return judgedByLimit(database, run, await judgedByBudget(database, run, judgement));
}

/** A run that came to nothing while every key was at its limit: its task waits for that, and no try is used up. */
async function judgedByLimit(database: Database, { id }: Pick<Run, 'id'>, judgement: Judgement): Promise<Judgement> {
  const { outcome } = judgement;
  const untold = outcome?.kind === 'rate_limited' && outcome.resetAt === undefined;
  if (!untold && outcome?.kind !== 'failed') return judgement;
  let until = await readLimit(database, id);
  if (until === null && untold) {
    await pause(WRITTEN_AFTER_MS);
    until = await readLimit(database, id);
  }
  if (until === null) return judgement;
  const detail = untold ? outcome.detail : "Every key of the model's provider is at its limit";
  return {
    verdict: 'outcome',
    outcome: { kind: 'rate_limited', detail, symptom: 'agent_rate_limited', resetAt: until.toISOString() },
  };
}

async function readLimit(database: Database, runId: string): Promise<Date | null> {
  const [row] = await database.query<{ until: Date | null }>(
    'select max(limited_until) as until from model_use where run_id = $1 and limited_until > clock_timestamp()',
    [runId],
  );
  return row!.until;
}

/** A run that failed because egress asks no model any more for a task whose budget is spent has reached its limit. */
async function judgedByBudget(
  database: Database,
  run: Pick<Run, 'taskId' | 'limits'>,
  judgement: Judgement,
): Promise<Judgement> {
  const kind = judgement.outcome?.kind;
  if (kind !== 'failed' && kind !== 'credential_refused') return judgement;
  const { maxCostUsd } = run.limits;
  let cost = spentBudget(await readCosts(database, run.taskId), maxCostUsd);
  if (cost === null) {
    await pause(WRITTEN_AFTER_MS);
    cost = spentBudget(await readCosts(database, run.taskId), maxCostUsd);
  }
  if (cost === null) return judgement;
  const detail = `The task has cost $${cost.toFixed(2)} of $${maxCostUsd.toFixed(2)}`;
  return { verdict: 'outcome', outcome: { kind: 'limit_reached', detail, symptom: 'cost_limit' } };
}

function readCosts(database: Database, taskId: string): Promise<RunCost[]> {
  return database.query(
    `select r.cost_usd::float8 as told_usd, coalesce(sum(m.cost_usd), 0)::float8 as counted_usd
       from run r left join model_use m on m.run_id = r.id where r.task_id = $1 group by r.id`,
    [taskId],
  );
}
