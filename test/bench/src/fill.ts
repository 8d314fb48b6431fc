import { processesOf } from '@capstan/test-support';
import { agentKeepers, familyOf, pssMbOf } from './process-cost.js';
import type { Stage, StageRepository } from './stage.js';

/** POSTs under way at the same time while it is filled. */
const CLIENTS = 8;
/** Two hundred agents take their time to begin on two cores. */
const BEGUN_WITHIN_MS = 900_000;

export interface Fill {
  readonly repositories: number;
  readonly running: number;
  readonly queued: number;
  /** Tasks in all. */
  readonly board: number;
}

export interface Filled {
  readonly tasks: number;
  readonly seconds: number;
  /** What belongs to the data directory and not to the stack: agents and what they live under. */
  readonly agentProcesses: number;
  readonly agentsPssMb: number;
}

/** Agents at work in every repository, a queue behind them, and a board full of what was done before. */
export async function fillSystem(stage: Stage, { repositories, running, queued, board }: Fill): Promise<Filled> {
  const begun = performance.now();
  const each = Math.ceil(running / repositories);
  const made: StageRepository[] = [];
  for (let index = 0; index < repositories; index += 1)
    made.push(
      await stage.repository(`scale-${index}`, {
        script: 'sleeper.sh',
        maxConcurrentTasks: each,
        maxAgentsPerPod: each,
        limits: { maxRunMinutes: 1_000 },
      }),
    );
  const at = (index: number): StageRepository => made[index % made.length]!;
  const working = await postAll(running, (index) => stage.postPatiently(at(index), `Running ${index}`));
  await stage.untilRuns(working, 'running', { lookMs: 500, withinMs: BEGUN_WITHIN_MS });
  await postAll(queued, (index) => stage.postPatiently(at(index), `Queued ${index}`));
  await writeHistory(
    stage,
    made.map(({ id }) => id),
    Math.max(0, board - running - queued),
  );
  const stack = Object.values(stage.processes());
  const others = new Set([...stack, ...agentKeepers()]);
  const known = new Set(stack.flatMap((root) => familyOf(root, others)));
  const agents = processesOf(stage.dataDir).filter(({ pid }) => !known.has(pid));
  return {
    tasks: board,
    seconds: (performance.now() - begun) / 1_000,
    agentProcesses: agents.length,
    agentsPssMb: agents.reduce((sum, { pid }) => sum + (pssMbOf(pid) ?? 0), 0),
  };
}

/** `count` POSTs, some at a time. */
async function postAll(count: number, post: (index: number) => Promise<string>): Promise<string[]> {
  const ids: string[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) ids.push(await post(next++));
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return ids;
}

/**
 * Tasks that have ended, of the last month, as rows: 70 % merged, 10 % failed, 20 % with a pull request that is open and
 * that nobody looks at, since the forge doesn't know it.
 */
async function writeHistory(stage: Stage, repositoryIds: readonly string[], count: number): Promise<void> {
  await stage.query(
    `with fresh as (
       select gen_random_uuid() as id, gen_random_uuid() as run_id, n, r.workspace_id, r.id as repository_id, r.agent, p.id as pod_id,
              case when n % 10 < 7 then 'completed' when n % 10 = 7 then 'failed' else 'pr_opened' end as state,
              now() - n * interval '13 minutes' as at
         from generate_series(1, $2::int) n
         join repository r on r.id = ($1::uuid[])[n % cardinality($1::uuid[]) + 1]
         join pod p on p.repository_id = r.id and p.deleted_at is null and p.ordinal = 0),
     tasks as (
       insert into task (id, workspace_id, repository_id, kind, title, body, state, base_branch, branch, created_by, current_run_id, last_pod_id,
                         run_count, attention, cost_usd, created_at, updated_at, started_at, ended_at)
       select id, workspace_id, repository_id, 'change', 'Past ' || n, 'What was asked for', state, 'main', 'capstan/past-' || n,
              '{"kind":"service","id":"bench"}', run_id, pod_id, 1,
              case when state = 'failed' then '{"code":"agent_failed","detail":"It ended with 1"}'::jsonb end, 0.25, at, at, at,
              case when state = 'completed' or state = 'failed' then at end from fresh returning id),
     runs as (
       insert into run (id, workspace_id, repository_id, task_id, number, generation, reason, state, pod_id, slot, agent, limits, branch,
                        base_branch, epoch, outcome, placed_at, finished_at)
       select run_id, workspace_id, repository_id, id, 1, 1, 'initial', 'finished', pod_id, 0, agent, '{}', 'capstan/past-' || n, 'main', 1,
              '{"kind":"commits","detail":"One commit"}', at, at from fresh)
     insert into pull_request (id, workspace_id, repository_id, task_id, run_id, generation, branch, base_branch, title, number, url, state,
                               checks, reviews, next_check_at)
     select gen_random_uuid(), workspace_id, repository_id, id, run_id, 1, 'capstan/past-' || n, 'main', 'Past ' || n, 100000 + n,
            'http://127.0.0.1/past/' || n, case when state = 'completed' then 'merged' else 'open' end, 'green', 'approved', 'infinity'
       from fresh where state <> 'failed'`,
    [repositoryIds, count],
  );
  await stage.query('analyze');
}
