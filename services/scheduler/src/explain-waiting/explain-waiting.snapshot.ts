import { MAX_POD_ATTEMPTS, shortId, type Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { ExplainSnapshot, RepositoryPressure, WaitingTask } from './explain-waiting.decide.js';

/** Tasks explained in one pass, oldest reasons first. */
const LIMIT = 5_000;
const WORKER_ALIVE_S = 10;

/** Reads why waiting tasks wait; null when none does. No lock: an explanation that is a moment old does no harm. */
export async function readWaiting(database: Database, globalLimit: number): Promise<ExplainSnapshot | null> {
  const tasks = await readTasks(database);
  if (tasks.length === 0) return null;
  const [totals] = await database.query<{ now: Date; active: number; workers: number; slots: number; runs: number }>(
    `select clock_timestamp() as now,
            (select count(*)::int from run where state <> 'finished') as active,
            (select count(*)::int from worker where not draining and heartbeat_at > clock_timestamp() - $1 * interval '1 s') as workers,
            (select coalesce(sum(slots), 0)::int from worker where not draining and heartbeat_at > clock_timestamp() - $1 * interval '1 s') as slots,
            (select count(*)::int from run where state <> 'finished') as runs`,
    [WORKER_ALIVE_S],
  );
  const repositories = await readPressure(database, [...new Set(tasks.map(({ repositoryId }) => repositoryId))]);
  return {
    now: totals!.now.getTime(),
    globalLimit,
    active: totals!.active,
    readyWorkers: totals!.workers,
    workerRoom: totals!.slots - totals!.runs,
    maxPodAttempts: MAX_POD_ATTEMPTS,
    repositories,
    tasks,
  };
}

async function readTasks(database: Database): Promise<WaitingTask[]> {
  const rows = await database.query<
    Omit<WaitingTask, 'notBefore' | 'openDependencies' | 'known'> & {
      readonly notBefore: Date | null;
      readonly openDependencies: readonly Id[] | null;
      readonly waiting: WaitingTask['known'];
    }
  >(
    `select t.id, t.repository_id, t.state, t.not_before, t.run_note as last_error, t.waiting,
            (t.limits->>'maxCostUsd')::float8 as max_cost_usd,
            (select coalesce(sum(u.cost_usd), 0)::float8 from run u where u.task_id = t.id) as cost_usd,
            case when t.state = 'waiting' then
              (select jsonb_agg(d.id order by d.id) from task_dependency e join task d on d.id = e.depends_on_id
                where e.task_id = t.id and d.state <> 'completed') end as open_dependencies,
            case when t.state = 'provisioning' then
              (select jsonb_build_object('state', p.state, 'attempts', p.attempts, 'problem', p.problem, 'lastError', p.last_error)
                 from run u join pod p on p.id = u.pod_id where u.id = t.current_run_id) end as pod
       from task t where t.state in ('waiting','queued') or t.state = 'provisioning'
      order by t.priority, t.created_at, t.id limit $1`,
    [LIMIT],
  );
  return rows.map(({ notBefore, openDependencies, waiting, ...row }) => ({
    ...row,
    notBefore: notBefore?.getTime() ?? null,
    openDependencies: (openDependencies ?? []).map(shortId),
    known: waiting,
  }));
}

async function readPressure(database: Database, ids: readonly Id[]): Promise<ReadonlyMap<Id, RepositoryPressure>> {
  if (ids.length === 0) return new Map();
  const rows = await database.query<
    Omit<RepositoryPressure, 'credentialPause'> & {
      pause: { credential: string; until: string; reason: string } | null;
    }
  >(
    `select r.id, r.max_cost_usd::float8 as max_cost_usd, r.credential_secret,
            case when w.paused_at is not null then jsonb_build_object('at', extract(epoch from w.paused_at) * 1000,
              'by', (select coalesce(u.name, w.paused_by->>'id') from (select 1) one
                       left join "user" u on u.id::text = w.paused_by->>'id')) end as paused_workspace,  r.max_concurrent_tasks,
            exists (select from secret s where s.workspace_id = r.workspace_id and s.name = r.credential_secret
                                           and s.user_id is null and (s.repository_id is null or s.repository_id = r.id)) as credential_set,
            (select jsonb_build_object('credential', c.credential, 'until', c.until, 'reason', c.reason) from credential_pause c
              where c.workspace_id = r.workspace_id and c.credential = r.credential_secret and c.until > clock_timestamp()) as pause,
            (select count(*)::int from run u where u.repository_id = r.id and u.state <> 'finished') as active,
            (select coalesce(sum(p.capacity - (select count(*) from run u where u.pod_id = p.id and u.state <> 'finished')), 0)::int
               from pod p where p.repository_id = r.id and p.deleted_at is null and p.state in ('ready','provisioning')) as free_slots,
            r.max_pod_instances - (select count(*)::int from pod p where p.repository_id = r.id and p.deleted_at is null) as pod_room,
            (select p.problem from pod p where p.repository_id = r.id and p.deleted_at is null and p.state = 'error'
              and p.problem is not null order by p.id desc limit 1) as pod_problem
       from repository r join workspace w on w.id = r.workspace_id where r.id = any($1)`,
    [ids],
  );
  return new Map(
    rows.map(({ pause, ...row }) => [
      row.id,
      { ...row, credentialPause: pause === null ? null : { ...pause, until: Date.parse(pause.until) } },
    ]),
  );
}
