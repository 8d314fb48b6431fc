import type { z } from 'zod';
import type { Pod, Worker } from '@capstan/api';
import type { Id } from '@capstan/domain';
import type { Pod as PodRow, Tx, Worker as WorkerRow } from '@capstan/database';
import { instant } from '../http/time.js';
import { explain } from '../tasks/explanation.js';

type PodAnswer = z.infer<typeof Pod>;

/** A worker that says nothing for this long takes no work. */
const HEARTBEAT_SECONDS = 10;
/** Health events that are shown per pod. */
const HEALTH_EVENTS = 10;

/** Pods that stand, by name. */
export async function listPods(tx: Tx, workspaceId: Id): Promise<PodAnswer[]> {
  const rows = await tx.query<
    PodRow & { used: number; worktrees: number; health: { kind: string; detail: string; at: string }[] | null }
  >(
    `select p.*,
       (select count(*)::int from run where run.pod_id = p.id and run.state <> 'finished') as used,
       (select count(*)::int from worktree w where w.pod_id = p.id and w.removed_at is null) as worktrees,
       (select jsonb_agg(jsonb_build_object('kind', h.kind, 'detail', h.detail, 'at', h.at) order by h.at desc)
          from (select * from pod_health_event where pod_id = p.id order by at desc limit ${HEALTH_EVENTS}) h) as health
       from pod p where p.workspace_id = $1 and p.deleted_at is null order by p.created_at, p.id`,
    [workspaceId],
  );
  return rows.map((row) => ({
    id: row.id,
    repositoryId: row.repositoryId,
    name: row.name,
    // Until it is made, the row doesn't say where: a laptop has one runtime only.
    runtime: row.runtime ?? 'local',
    state: row.state,
    isolation: row.isolation,
    isolationReason: row.isolationReason,
    capacity: row.capacity,
    used: row.used,
    attempts: row.attempts,
    problem: explain(row.problem),
    createdAt: instant(row.createdAt),
    readyAt: instant(row.readyAt),
    idleSince: instant(row.idleSince),
    worktrees: row.worktrees,
    health: (row.health ?? []).map(({ kind, detail, at }) => ({
      kind: kind as PodAnswer['health'][number]['kind'],
      detail,
      at: new Date(at).toISOString(),
    })),
    version: row.version,
  }));
}

/** Agent runners that were seen within a day. Their slots are shared by all workspaces. */
export async function listWorkers(tx: Tx): Promise<z.infer<typeof Worker>[]> {
  const rows = await tx.query<WorkerRow & { ready: boolean; used: number }>(
    `select w.*, w.heartbeat_at > clock_timestamp() - ${HEARTBEAT_SECONDS} * interval '1 second' and not w.draining as ready,
            (select count(*)::int from run where run.owner = w.id and run.state in ('leased','running')) as used
       from worker w where w.heartbeat_at > clock_timestamp() - interval '1 day' order by w.started_at desc, w.id`,
  );
  return rows.map(({ id, host, ready, slots, used, draining, heartbeatAt, startedAt }) => ({
    id,
    host,
    ready,
    slots,
    used,
    draining,
    heartbeatAt: instant(heartbeatAt),
    startedAt: instant(startedAt),
  }));
}
