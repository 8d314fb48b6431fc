import { Database, migrate, newId, type Pod, type Task } from '@capstan/database';
import { Metrics, Retention, openLogger } from '@capstan/service-kit';
import { aPod, aRepository, aRun, testDatabase } from '@capstan/test-support';
import { podPoolRules } from './forget.loop.js';

const logger = openLogger({ format: 'json', level: 'silent', write: () => undefined });
let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
});
afterAll(async () => {
  await database.close();
  await server.close();
});

const gone = async (pod: Pod, days: number) => {
  await database.query(
    `update pod set state = 'terminating', deleted_at = now() - $2 * interval '1 day' where id = $1`,
    [pod.id, days],
  );
  await database.query(
    `insert into pod_health_event (id, workspace_id, pod_id, kind, detail, at) values ($1,$2,$3,'crashed','x', now() - $4 * interval '1 day')`,
    [newId(), pod.workspaceId, pod.id, days],
  );
};
const worktree = (pod: Pod, task: Task, removedDays: number | null) =>
  database.query(
    `insert into worktree (id, workspace_id, task_id, pod_id, generation, path, home, removed_at)
     values ($1,$2,$3,$4,1,'p','h', now() - $5::float * interval '1 day')`,
    [newId(), pod.workspaceId, task.id, pod.id, removedDays],
  );

it('forgets pods that no run remembers, their events, and removed worktrees of ended tasks', async () => {
  const repository = await aRepository(database);
  const aGonePod = async (ordinal: number, days: number) => {
    const pod = await aPod(database, repository, { ordinal });
    await gone(pod, days);
    return pod;
  };
  const ended = { state: 'finished', outcome: { kind: 'commits', detail: 'x' } } as never;
  await aGonePod(0, 31);
  const young = await aGonePod(1, 29);
  const remembered = await aGonePod(2, 31);
  const { task: done } = await aRun(database, repository, {
    ...(ended as object),
    pod: remembered,
    taskState: 'completed',
  });
  const open = await aGonePod(3, 31);
  const { task: opened } = await aRun(database, repository, {
    ...(ended as object),
    pod: open,
    taskState: 'pr_opened',
  });
  const live = await aPod(database, repository, { ordinal: 4 });
  await worktree(remembered, done, 31);
  await worktree(open, opened, 31);
  await worktree(live, done, null);
  await new Retention(new Metrics(), logger).sweep(podPoolRules(database, 30), () => false);
  const ids = async (table: string, column: string) =>
    (await database.query<{ id: string }>(`select ${column} as id from ${table}`)).map(({ id }) => id).sort();
  expect(await ids('pod', 'id')).toEqual([young, remembered, open, live].map(({ id }) => id).sort());
  expect(await ids('pod_health_event', 'pod_id')).toEqual([young.id]);
  expect(await ids('worktree', 'pod_id')).toEqual([open.id, live.id].sort());
});
