import { MAX_SAME_CI_FAILURES, type Id } from '@capstan/domain';
import { MESSAGE_PENDING, type Database, type Repository, type Task } from '@capstan/database';
import type { AdvanceSnapshot } from './advance-task.decide.js';

export interface AdvanceWorld {
  readonly snapshot: AdvanceSnapshot;
  /** The row that the snapshot was read from; its version guards the change. */
  readonly task: Task;
}

/**
 * Reads all that one task's next step depends on, in one statement; null when there is no such task. Outside of any
 * transaction: most looks find nothing to do, and what is done names the version of the task that was read.
 */
export async function readAdvance(database: Database, taskId: Id, random: number): Promise<AdvanceWorld | null> {
  const [row] = await database.query<
    Task & {
      now: Date;
      run: AdvanceSnapshot['run'];
      pullRequest: AdvanceSnapshot['pullRequest'];
      dependencies: AdvanceSnapshot['dependencies'] | null;
      repositoryMaxCostUsd: Repository['maxCostUsd'];
      total: string;
      hasMessages: boolean;
      redBefore: readonly string[] | null;
    }
  >(
    `select t.*, clock_timestamp() as now, r.max_cost_usd as repository_max_cost_usd,
            (select jsonb_build_object('id', u.id, 'state', u.state, 'outcome', u.outcome, 'generation', u.generation)
               from run u where u.id = t.current_run_id) as run,
            (select jsonb_build_object('id', p.id, 'runId', p.run_id, 'state', p.state, 'number', p.number,
                      'refusal', p.refusal, 'headSha', p.head_sha)
               from pull_request p where p.task_id = t.id and p.generation = t.generation) as pull_request,
            case when t.state = 'waiting' then
              (select jsonb_agg(jsonb_build_object('shortId', right(d.id::text, 8), 'state', d.state) order by d.id)
                 from task_dependency e join task d on d.id = e.depends_on_id where e.task_id = t.id) end as dependencies,
            case when t.state = 'pr_opened' and t.ci_resumes > 0 then
              (select jsonb_agg(u.note order by u.number desc) from
                (select number, note from run where task_id = t.id and generation = t.generation and reason = 'ci_failed'
                    and note is not null order by number desc limit least(t.ci_resumes, $2)) u) end as red_before,
            (select coalesce(sum(cost_usd), 0) from run u where u.task_id = t.id) as total,
            exists (select from task_request m where m.task_id = t.id and ${MESSAGE_PENDING}) as has_messages
       from task t join repository r on r.id = t.repository_id where t.id = $1 and t.parked_at is null`,
    [taskId, MAX_SAME_CI_FAILURES],
  );
  if (row === undefined) return null;
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
      attention: row.attention?.code ?? null,
      hasMessages: row.hasMessages,
    },
    run: row.run,
    pullRequest: row.pullRequest,
    dependencies: row.dependencies ?? [],
    costUsd: Number(row.total),
    redBefore: row.redBefore ?? [],
  };
  return { snapshot, task: row };
}
