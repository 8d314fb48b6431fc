import type { Id } from '@capstan/domain';
import { podChanged } from '@capstan/events';
import type { Database, Pod } from '@capstan/database';

/** The scheduler's placement lock: a pod is only given up while nothing can be placed on it. */
const PLACEMENT_LOCK = 7_283_002;

/**
 * Gives up ready pods that have been idle, the last made first and one per repository and pass, and quarantined pods
 * without live runs. Answers the ids of the pods that are to be deleted.
 */
export async function reclaimPods(database: Database, idleMs: number): Promise<readonly Id[]> {
  return database.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [PLACEMENT_LOCK]);
    const pods = await tx.query<Pod>(
      `update pod set state = 'terminating', version = version + 1
        where id in (
          select distinct on (p.repository_id) p.id from pod p
           where p.state = 'ready' and p.deleted_at is null
             and not exists (select from run u where u.pod_id = p.id and u.state <> 'finished')
             and (exists (select from run u where u.pod_id = p.id and u.fenced_at is not null)
                  or greatest(p.ready_at, (select max(u.finished_at) from run u where u.pod_id = p.id))
                     < clock_timestamp() - $1 * interval '1 ms')
           order by p.repository_id, p.ordinal desc)
        returning *`,
      [idleMs],
    );
    for (const pod of pods)
      await tx.emit(podChanged, {
        workspaceId: pod.workspaceId,
        podId: pod.id,
        repositoryId: pod.repositoryId,
        state: pod.state,
        version: pod.version,
      });
    return pods.map(({ id }) => id);
  });
}

/** Marks since when ready pods have been idle, for people. */
export async function markIdle(database: Database): Promise<void> {
  await database.query(
    `update pod p set idle_since = x.since from (
       select q.id, case when exists (select from run u where u.pod_id = q.id and u.state <> 'finished') then null
                         else greatest(q.ready_at, (select max(u.finished_at) from run u where u.pod_id = q.id)) end as since
         from pod q where q.state = 'ready' and q.deleted_at is null) x
      where p.id = x.id and p.idle_since is distinct from x.since`,
  );
}
