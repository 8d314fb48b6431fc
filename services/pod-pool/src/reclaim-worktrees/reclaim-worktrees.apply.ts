import type { Id } from '@capstan/domain';
import { PodHealthEvent, newId, type Database, type Worktree } from '@capstan/database';
import { SupervisorClient, type Runtime } from '@capstan/runtimes';

export interface ReclaimPorts {
  readonly database: Database;
  readonly runtime: Runtime;
  /** How long a worktree outlives its task, and an idle one in `pr_opened`, ms. */
  readonly endedMs: number;
  readonly openedMs: number;
  readonly report: (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;
}

type DueWorktree = Pick<Worktree, 'id' | 'podId' | 'taskId' | 'generation' | 'path' | 'home'> & {
  readonly podName: string;
};

const RUN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Each is a word to the supervisor, so few at a time. */
const RUNS_AT_A_TIME = 20;

/** Worktrees whose task has ended long enough ago, or that nobody will come back to; at most `limit`. */
export async function dueWorktrees(
  { database, endedMs, openedMs }: ReclaimPorts,
  limit: number,
): Promise<readonly DueWorktree[]> {
  return database.query<DueWorktree>(
    `select w.id, w.pod_id, w.task_id, w.generation, w.path, w.home, p.name as pod_name
       from worktree w join pod p on p.id = w.pod_id join task t on t.id = w.task_id
      where w.removed_at is null and p.state = 'ready' and p.deleted_at is null
        and not exists (select from run u where u.task_id = t.id and u.state <> 'finished')
        and (t.state in ('completed','failed','cancelled') and t.ended_at < clock_timestamp() - $1 * interval '1 ms'
          or t.state in ('pr_opened','needs_attention') and t.updated_at < clock_timestamp() - $2 * interval '1 ms'
          or w.generation < t.generation)
      order by w.created_at limit $3`,
    [endedMs, openedMs, limit],
  );
}

/** Removes one worktree with its home, the directory that holds them, and the directories of its runs. Repeating it is harmless. */
export async function removeWorktree(ports: ReclaimPorts, worktree: DueWorktree): Promise<void> {
  const runs = await ports.database.query<{ id: Id }>(
    `select id from run where task_id = $1 and pod_id = $2 and state = 'finished'`,
    [worktree.taskId, worktree.podId],
  );
  await new SupervisorClient(ports.runtime, worktree.podName).discard({
    paths: [worktree.path, worktree.home, `${worktreesOf(ports, worktree.podName)}/${directoryNameOf(worktree)}`],
    runIds: runs.map(({ id }) => id),
  });
  await ports.database.query(
    'update worktree set removed_at = clock_timestamp() where id = $1 and removed_at is null',
    [worktree.id],
  );
  ports.report('info', 'worktree removed', { taskId: worktree.taskId, podId: worktree.podId });
}

/**
 * Removes directories of a pod's `worktrees` that no row knows: what a lost transaction or a restored database left.
 * Answers the names that were removed.
 */
export async function removeOrphans(
  ports: ReclaimPorts,
  pod: { readonly id: Id; readonly name: string; readonly workspaceId: Id },
): Promise<readonly string[]> {
  const root = worktreesOf(ports, pod.name);
  const listed = await ports.runtime.exec(pod.name, { argv: ['ls', '-1', root], timeoutMs: 10_000 });
  if (listed.code !== 0) return []; // no worktree has been made yet
  const found = listed.stdout.toString('utf8').split('\n').filter(Boolean);
  if (found.length === 0) return [];
  const known = await ports.database.query<{ name: string }>(
    `select task_id || '-g' || generation as name from worktree where pod_id = $1 and removed_at is null
     union select task_id || '-g' || generation from run where pod_id = $1 and state <> 'finished'`,
    [pod.id],
  );
  const names = new Set(known.map(({ name }) => name));
  const orphans = found.filter((name) => !names.has(name));
  if (orphans.length === 0) return [];
  await new SupervisorClient(ports.runtime, pod.name).discard({
    paths: orphans.map((name) => `${root}/${name}`),
    runIds: [],
  });
  await ports.database.transaction((tx) =>
    tx.insert(PodHealthEvent, {
      id: newId(),
      workspaceId: pod.workspaceId,
      podId: pod.id,
      kind: 'orphan_cleaned',
      detail: `Removed ${orphans.length} worktrees without a task`,
    }),
  );
  return orphans;
}

/**
 * Removes directories of a pod's `runs`, with their journals, that nobody reads again: of runs that no row knows, and of
 * runs that ended an hour ago and whose worktree is gone. A run that still runs, whoever started it, keeps its own.
 * Answers how many were removed.
 */
export async function removeRunDirectories(
  ports: ReclaimPorts,
  pod: { readonly id: Id; readonly name: string },
): Promise<number> {
  const root = `${ports.runtime.root(pod.name)}/runs`;
  const listed = await ports.runtime.exec(pod.name, { argv: ['ls', '-1', root], timeoutMs: 10_000 });
  if (listed.code !== 0) return 0; // no run has been there yet
  const found = listed.stdout
    .toString('utf8')
    .split('\n')
    .filter((name) => RUN_ID.test(name));
  if (found.length === 0) return 0;
  const needed = await ports.database.query<{ id: Id }>(
    `select u.id from run u
      where u.id = any($1::uuid[]) and u.pod_id = $2
        and (u.state <> 'finished' or u.finished_at > clock_timestamp() - interval '1 hour'
          or not exists (select from worktree w where w.pod_id = u.pod_id and w.task_id = u.task_id
                           and w.generation = u.generation and w.removed_at is not null))`,
    [found, pod.id],
  );
  const keep = new Set(needed.map(({ id }) => id));
  const client = new SupervisorClient(ports.runtime, pod.name);
  const running = async (runId: Id) => (await client.status(runId)).state === 'running';
  const old: Id[] = [];
  for (const runId of found.filter((each) => !keep.has(each)).slice(0, RUNS_AT_A_TIME))
    if (!(await running(runId))) old.push(runId);
  if (old.length === 0) return 0;
  await client.discard({ paths: [], runIds: old });
  ports.report('info', 'journals removed', { podId: pod.id, runs: old.length });
  return old.length;
}

function worktreesOf({ runtime }: ReclaimPorts, podName: string): string {
  return `${runtime.root(podName)}/worktrees`;
}

/** What agent-runner calls the directory of a task in one of its lives. */
function directoryNameOf({ taskId, generation }: DueWorktree): string {
  return `${taskId}-g${generation}`;
}
