import { shortId, type Id, type TaskState } from '@capstan/domain';
import type { PullRequest, Repository, Run, Task, Tx } from '@capstan/database';
import type { AdvanceSnapshot } from './advance-task.decide.js';

export interface AdvanceWorld {
  readonly snapshot: AdvanceSnapshot;
  /** The row that the snapshot was read from; its version guards the change. */
  readonly task: Task;
}

/** Reads all that one task's next step depends on; null when there is no such task. */
export async function readAdvance(tx: Tx, taskId: Id, random: number): Promise<AdvanceWorld | null> {
  const [row] = await tx.query<
    Task & {
      now: Date;
      run: Pick<Run, 'id' | 'state' | 'outcome' | 'generation'> | null;
      repositoryMaxCostUsd: Repository['maxCostUsd'];
      total: string;
    }
  >(
    `select t.*, clock_timestamp() as now, r.max_cost_usd as repository_max_cost_usd,
            (select jsonb_build_object('id', u.id, 'state', u.state, 'outcome', u.outcome, 'generation', u.generation)
               from run u where u.id = t.current_run_id) as run,
            (select coalesce(sum(cost_usd), 0) from run u where u.task_id = t.id) as total
       from task t join repository r on r.id = t.repository_id where t.id = $1 and t.parked_at is null`,
    [taskId],
  );
  if (row === undefined) return null;
  const [pullRequest] = await tx.query<PullRequest>(
    'select * from pull_request where task_id = $1 and generation = $2',
    [taskId, row.generation],
  );
  const dependencies =
    row.state === 'waiting'
      ? await tx.query<{ id: Id; state: TaskState }>(
          'select d.id, d.state from task_dependency e join task d on d.id = e.depends_on_id where e.task_id = $1 order by d.id',
          [taskId],
        )
      : [];
  const snapshot: AdvanceSnapshot = {
    now: row.now.getTime(),
    random,
    task: {
      id: row.id,
      kind: row.kind,
      state: row.state,
      intent: row.intent,
      intentAt: row.intentAt?.getTime() ?? null,
      retries: row.retries,
      ciResumes: row.ciResumes,
      generation: row.generation,
      maxCostUsd: row.limits?.maxCostUsd ?? Number(row.repositoryMaxCostUsd),
    },
    run: row.run,
    pullRequest: pullRequest ?? null,
    dependencies: dependencies.map(({ id, state }) => ({ shortId: shortId(id), state })),
    costUsd: Number(row.total),
  };
  return { snapshot, task: row };
}
