import type { Id } from '@capstan/domain';
import type { ParseState } from '@capstan/agents';
import type { Database, Pod, Repository, Run, Task, Ticket } from '@capstan/database';

/** What driving a run needs to know besides the run's own row. */
export interface DriveWorld {
  readonly task: Pick<
    Task,
    'id' | 'title' | 'body' | 'state' | 'intent' | 'currentRunId' | 'generation' | 'traceparent' | 'createdBy'
  >;
  readonly repository: Repository;
  readonly pod: Pick<Pod, 'id' | 'name' | 'state' | 'deletedAt' | 'problem'>;
  readonly ticket: Pick<Ticket, 'key' | 'url' | 'title' | 'body' | 'comments'> | null;
  /** Head that is published already on the task's branch. */
  readonly publishedSha: string | null;
  /** Session of the task's last run of this agent on this generation, for agents that resume; empty when it is gone. */
  readonly session: string | null;
  /** What the adapter kept of the run that had that session. */
  readonly sessionFacts: ParseState['facts'] | null;
  /** The workspace starts no agent now. */
  readonly paused: boolean;
  /** What people wrote to the task and this run is to be told, oldest first. */
  readonly messages: readonly string[];
  /** No other run has worked on this generation's branch, so nobody has published it. */
  readonly firstRun: boolean;
  /** Time since the run was placed, ms. */
  readonly placedMsAgo: number;
}

/** Reads it in one statement. */
export async function readDrive(
  database: Database,
  run: Pick<Run, 'id' | 'taskId' | 'podId' | 'generation'>,
): Promise<DriveWorld> {
  const [row] = await database.query<DriveWorld & { readonly repositoryId: Id }>(
    `select jsonb_build_object('id', t.id, 'title', t.title, 'body', t.body, 'state', t.state, 'intent', t.intent,
              'currentRunId', t.current_run_id, 'generation', t.generation, 'traceparent', t.traceparent,
              'createdBy', t.created_by) as task,
            t.repository_id,
            jsonb_build_object('id', p.id, 'name', p.name, 'state', p.state, 'deletedAt', p.deleted_at, 'problem', p.problem) as pod,
            (select jsonb_build_object('key', k.key, 'url', k.url, 'title', k.title, 'body', k.body, 'comments', k.comments)
               from ticket k where k.id = t.ticket_id) as ticket,
            (select q.pushed_sha from pull_request q where q.task_id = t.id and q.generation = $3) as published_sha,
            last.session, last.facts as session_facts,
            (select w.paused_at is not null from workspace w where w.id = t.workspace_id) as paused,
            (select coalesce(jsonb_agg(m.arguments->>'text' order by m.created_at, m.id), '[]') from task_request m
              where m.task_id = t.id and m.kind = 'message' and m.given_run_id = $4) as messages,
            not exists (select from run u where u.task_id = t.id and u.generation = $3 and u.id <> $4) as first_run,
            (select extract(epoch from clock_timestamp() - r.placed_at)::float8 * 1000 from run r where r.id = $4) as placed_ms_ago
       from task t cross join pod p
       left join lateral (select u.session, u.parse_state->'facts' as facts from run u join run r on r.id = $4
              where u.task_id = t.id and u.generation = $3 and u.id <> $4 and u.session is not null
                and u.agent->>'agent' = r.agent->>'agent'
              order by u.number desc limit 1) last on true
      where t.id = $1 and p.id = $2`,
    [run.taskId, run.podId, run.generation, run.id],
  );
  const [repository] = await database.query<Repository>('select * from repository where id = $1', [row!.repositoryId]);
  return { ...row!, repository: repository! };
}

/** The pod's fitness, asked again while its connection fails. */
export async function readPodState(
  database: Database,
  podId: Id,
): Promise<Pick<Pod, 'state' | 'deletedAt' | 'problem'> | null> {
  const [pod] = await database.query<Pod>('select state, deleted_at, problem from pod where id = $1', [podId]);
  return pod ?? null;
}
