import type { Id } from '@capstan/domain';
import { MESSAGE_PENDING, type Database, type Repository, type Task, type Tx } from '@capstan/database';
import type { PlacePod, PlaceSnapshot } from './place-task.decide.js';

/** Key of the advisory lock under which the only placing writer works. */
const PLACEMENT_LOCK = 7_283_002;
/** A worker whose heartbeat is older counts as gone, s. */
const WORKER_ALIVE_S = 10;
/** Tasks placed in one pass. */
const BATCH = 50;

/** `hasMessages`: people wrote to it, and no run has been given that. */
export type QueuedRow = Task & { readonly hasMessages: boolean };

export interface PlaceWorld {
  readonly snapshot: PlaceSnapshot;
  readonly tasks: ReadonlyMap<Id, QueuedRow>;
  readonly repositories: ReadonlyMap<Id, Repository>;
}

type RepositoryRow = Repository & {
  readonly active: number;
  readonly paused: boolean;
  readonly credentialPaused: boolean;
  readonly pods: readonly PlacePod[] | null;
};

/**
 * When the next queued task may start that may not yet: its back-off or the pause of a credential ends. In ms from now,
 * null when nothing of that sort is pending.
 */
export async function nextDueMs(database: Database): Promise<number | null> {
  const [row] = await database.query<{ ms: number | null }>(
    `select (extract(epoch from least(
              (select min(not_before) from task where state = 'queued' and parked_at is null and not_before > clock_timestamp()),
              (select min(until) from credential_pause where until > clock_timestamp())) - clock_timestamp()) * 1000)::float as ms`,
  );
  return row?.ms ?? null;
}

/**
 * Whether a placing pass could find anything to place. Most of what wakes placement finds an empty queue, and neither
 * lock nor transaction is needed to see that.
 */
export async function isAnyQueued(database: Database): Promise<boolean> {
  const [row] = await database.query<{ queued: boolean }>(
    `select exists (select from task where state = 'queued' and (not_before is null or not_before <= clock_timestamp())) as queued`,
  );
  return row!.queued;
}

/** Takes the placement lock, which the transaction then holds to its end, and reads the world. */
export async function readPlacement(tx: Tx, globalLimit: number): Promise<PlaceWorld | null> {
  await tx.query('select pg_advisory_xact_lock($1)', [PLACEMENT_LOCK]);
  const repositories = await readRepositories(tx);
  if (repositories.length === 0) return null;
  const [totals] = await tx.query<{ active: number; room: number }>(
    `select (select count(*)::int from run where state <> 'finished') as active,
            (select coalesce(sum(slots), 0)::int from worker
              where not draining and heartbeat_at > clock_timestamp() - $1 * interval '1 s')
          - (select count(*)::int from run where state <> 'finished') as room`,
    [WORKER_ALIVE_S],
  );
  const tasks = await readQueue(tx, repositories);
  return {
    snapshot: {
      globalLimit,
      active: totals!.active,
      workerRoom: totals!.room,
      batch: BATCH,
      repositories: repositories.map((row) => ({
        id: row.id,
        paused: row.paused,
        credentialPaused: row.credentialPaused,
        maxConcurrentTasks: row.maxConcurrentTasks,
        active: row.active,
        maxPodInstances: row.maxPodInstances,
        maxAgentsPerPod: row.maxAgentsPerPod,
        pods: row.pods ?? [],
      })),
      queue: tasks.map((task) => ({
        id: task.id,
        repositoryId: task.repositoryId,
        priority: task.priority,
        createdAt: task.createdAt.getTime(),
        lastPodId: task.lastPodId,
      })),
    },
    tasks: new Map(tasks.map((task) => [task.id, task])),
    repositories: new Map(repositories.map((row) => [row.id, row])),
  };
}

/** Repositories with something queued, with what they run and where. */
function readRepositories(tx: Tx): Promise<RepositoryRow[]> {
  return tx.query<RepositoryRow>(
    `select r.*, w.paused_at is not null as paused,
            exists (select from credential_pause c where c.workspace_id = r.workspace_id and c.credential = r.credential_secret
                                                     and c.until > clock_timestamp()) as credential_paused,
            (select count(*)::int from run u where u.repository_id = r.id and u.state <> 'finished') as active,
            (select jsonb_agg(jsonb_build_object('id', p.id, 'ordinal', p.ordinal, 'state', p.state, 'capacity', p.capacity,
                      'usedSlots', (select coalesce(jsonb_agg(u.slot), '[]') from run u where u.pod_id = p.id and u.state <> 'finished'),
                      'quarantined', p.parked_at is not null or exists (select from run u where u.pod_id = p.id and u.fenced_at is not null)))
               from pod p where p.repository_id = r.id and p.deleted_at is null) as pods
       from repository r join workspace w on w.id = r.workspace_id
      where r.id in (select distinct repository_id from task where state = 'queued' and (not_before is null or not_before <= clock_timestamp()))`,
  );
}

/**
 * The head of each repository's queue, as long as the repository has room: a full one takes no place in the pass. What
 * has cost as much as it may waits for a higher limit.
 */
function readQueue(tx: Tx, repositories: readonly RepositoryRow[]): Promise<QueuedRow[]> {
  return tx.query<QueuedRow>(
    `select t.*, exists (select from task_request m where m.task_id = t.id and ${MESSAGE_PENDING}) as has_messages
       from unnest($1::uuid[], $2::int[], $3::numeric[]) as head(repository_id, room, most),
       lateral (select * from task where repository_id = head.repository_id and state = 'queued'
                   and (not_before is null or not_before <= clock_timestamp()) and parked_at is null
                   and (run_count = 0 or not exists (
                     select from run u where u.task_id = task.id
                      having sum(u.cost_usd) > 0 and sum(u.cost_usd) >= coalesce((task.limits->>'maxCostUsd')::numeric, head.most)))
                 order by priority, created_at, id limit head.room) t
      order by t.priority, t.created_at, t.id`,
    [
      repositories.map(({ id }) => id),
      repositories.map(({ maxConcurrentTasks, active }) => Math.max(0, Math.min(BATCH, maxConcurrentTasks - active))),
      repositories.map(({ maxCostUsd }) => maxCostUsd),
    ],
  );
}
