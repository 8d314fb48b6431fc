import type { Id, RunOutcome, TaskIntent, TaskKind, TaskState } from '@capstan/domain';
import type { Database, PullRequest } from '@capstan/database';

/** An effect of publishing, as far as it matters here. */
export interface EffectSight {
  readonly state: 'requested' | 'claimed' | 'done' | 'refused';
  readonly parked: boolean;
  readonly lastError: string | null;
  readonly result: Readonly<Record<string, unknown>> | null;
}

/** A finished run and everything that says whether its work is to be published. */
export interface PublishSnapshot {
  readonly run: {
    readonly id: Id;
    readonly workspaceId: Id;
    readonly repositoryId: Id;
    readonly taskId: Id;
    readonly podId: Id;
    readonly epoch: number;
    readonly generation: number;
    readonly branch: string;
    readonly baseBranch: string;
    readonly baseSha: string | null;
    readonly fenced: boolean;
    readonly outcome: RunOutcome | null;
    readonly traceparent: string | null;
    /** No later run of the task exists. */
    readonly latest: boolean;
  };
  readonly task: {
    readonly kind: TaskKind;
    readonly state: TaskState;
    readonly intent: TaskIntent | null;
    readonly generation: number;
    readonly title: string;
  };
  /** The row of the task's present life. */
  readonly pullRequest: Readonly<PullRequest> | null;
  readonly push: EffectSight | null;
  /** The newest wish to open this pull request. */
  readonly open: EffectSight | null;
}

/** Finished runs with commits whose work is not at the forge yet, oldest first. */
export async function duePublishes(
  database: Database,
  limit: number,
  except: readonly Id[],
): Promise<readonly { readonly id: Id }[]> {
  return database.query<{ id: Id }>(
    `select run.id from run
       join task on task.id = run.task_id and task.generation = run.generation
       left join pull_request pr on pr.task_id = run.task_id and pr.generation = run.generation
      where run.state = 'finished' and run.outcome->>'kind' = 'commits' and run.fenced_at is null
        and task.kind = 'change' and task.intent is null and (task.state in ('provisioning','running')
             or task.state = 'needs_attention' and pr.run_id = run.id and pr.state = 'publishing')
        and not exists (select 1 from run later where later.task_id = run.task_id and later.number > run.number)
        and (pr.id is null or pr.state <> 'merged' and pr.run_id <> run.id
             or pr.run_id = run.id and pr.state = 'publishing' and pr.parked_at is null and pr.next_check_at <= clock_timestamp())
        and not run.id = any($2::uuid[])
      order by run.finished_at limit $1`,
    [limit, except],
  );
}

/** Reads one run; null when there is no such run. */
export async function readPublish(database: Database, runId: Id): Promise<PublishSnapshot | null> {
  const [run] = await database.query<PublishSnapshot['run']>(
    `select id, workspace_id, repository_id, task_id, pod_id, epoch, generation, branch, base_branch, base_sha,
            fenced_at is not null as fenced, outcome, traceparent,
            not exists (select 1 from run later where later.task_id = run.task_id and later.number > run.number) as latest
       from run where id = $1 and state = 'finished'`,
    [runId],
  );
  if (run === undefined) return null;
  const [task] = await database.query<PublishSnapshot['task']>(
    'select kind, state, intent, generation, title from task where id = $1',
    [run.taskId],
  );
  const [pullRequest] = await database.query<PullRequest>(
    'select * from pull_request where task_id = $1 and generation = $2',
    [run.taskId, run.generation],
  );
  return {
    run,
    task: task!,
    pullRequest: pullRequest ?? null,
    push: await readEffect(database, `key = $1`, [pushKey(runId)]),
    open: await readEffect(database, `kind = 'open_pull_request' and task_id = $1 and run_id = $2`, [
      run.taskId,
      runId,
    ]),
  };
}

export function pushKey(runId: Id): string {
  return `push_branch:${runId}`;
}

async function readEffect(
  database: Database,
  condition: string,
  parameters: readonly unknown[],
): Promise<EffectSight | null> {
  const [row] = await database.query<EffectSight>(
    `select state, parked_at is not null as parked, last_error, result from effect where ${condition}
      order by created_at desc limit 1`,
    parameters,
  );
  return row ?? null;
}
