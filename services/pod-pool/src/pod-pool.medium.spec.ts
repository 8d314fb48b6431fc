import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAX_POD_ATTEMPTS, TransientError } from '@capstan/domain';
import { Database, migrate, newId, type Pod, type PodHealthEvent } from '@capstan/database';
import { createRuntime, type ObservedPod, type Runtime } from '@capstan/runtimes';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, aRun, testDatabase } from '@capstan/test-support';
import { POD_LABELS, reconcilePod, type ProvisionPorts } from './provision-pod/provision-pod.apply.js';
import { reclaimPods } from './reclaim-pods/reclaim-pods.apply.js';
import {
  dueWorktrees,
  removeOrphans,
  removeRunDirectories,
  removeWorktree,
  type ReclaimPorts,
} from './reclaim-worktrees/reclaim-worktrees.apply.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let runtime: Runtime;
let directory: string;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  directory = mkdtempSync(join(tmpdir(), 'capstan-pool-'));
  runtime = createRuntime({ kind: 'local', directory, supervisorFile: supervisorFile() });
});
afterAll(async () => {
  for (const { name } of await runtime.list({})) await runtime.delete(name);
  await database.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => database.query('truncate workspace, outbox cascade'));

const ports = (): ProvisionPorts => ({
  database,
  runtime,
  readyTimeoutMs: 120_000,
  unschedulableTimeoutMs: 600_000,
  random: () => 0.5,
  report: () => undefined,
});
const reclaim = (): ReclaimPorts => ({ database, runtime, endedMs: 1_000, openedMs: 60_000, report: () => undefined });
const readPod = async (pod: { id: string }): Promise<Pod> =>
  (await database.query<Pod>('select * from pod where id = $1', [pod.id]))[0]!;
const look = async (pod: Pod): Promise<ObservedPod | null> =>
  (await runtime.list({ 'capstan.dev/pod': pod.id }))[0] ?? null;
const step = async (pod: Pod, observed?: ObservedPod | null) =>
  reconcilePod(ports(), pod.id, observed === undefined ? await look(pod) : observed);
const failure = async (pod: Pod, reason: string): Promise<ObservedPod> => ({
  name: pod.name,
  uid: (await look(pod))?.uid ?? 'gone by now',
  labels: {},
  phase: 'failed',
  reason,
  restarts: 0,
  isolation: 'not_isolated',
  health: [],
});
const events = async (name: string): Promise<number> =>
  (await database.query('select 1 from outbox where event = $1', [name])).length;

async function aWantedPod(): Promise<Pod> {
  return aPod(database, await aRepository(database), { state: 'provisioning', readyAt: null, runtime: null });
}

describe('provisioning', () => {
  it('makes the pod, says that it is not isolated, and starts the runs that were placed on it', async () => {
    const repository = await aRepository(database);
    const pod = await aPod(database, repository, { state: 'provisioning', readyAt: null, runtime: null });
    await aRun(database, repository, { pod });
    expect(await step(pod)).toBe('create');
    expect(await step(pod)).toBe('ready');
    expect(await readPod(pod)).toMatchObject({
      state: 'ready',
      runtime: 'local',
      isolation: 'not_isolated',
      isolationReason: 'CAPSTAN_ISOLATION is off',
      attempts: 0,
    });
    expect(await events('run.start')).toBe(1);
    expect(await step(pod)).toBe('none');
  });

  it('tries three times, each after deleting what failed, and then says why', async () => {
    const pod = await aWantedPod();
    for (let attempt = 1; attempt <= MAX_POD_ATTEMPTS; attempt += 1) {
      await step(pod, null);
      expect(await look(pod)).not.toBeNull();
      expect(await step(pod, await failure(pod, 'ErrImageNeverPull'))).toBe('failed');
      expect(await look(pod)).toBeNull();
      await database.query(
        `update pod set not_before = now() - interval '1 s' where id = $1 and state = 'provisioning'`,
        [pod.id],
      );
    }
    expect(await readPod(pod)).toMatchObject({
      state: 'error',
      problem: { code: 'image_missing', detail: 'ErrImageNeverPull' },
    });
    expect(await step(pod)).toBe('none');
    await database.query(`update pod set not_before = now() - interval '1 s'`);
    expect(await step(pod)).toBe('delete');
    expect((await readPod(pod)).deletedAt).not.toBeNull();
  });

  it('fails where isolation is required and not proven, by the reason', async () => {
    const isolation = { mode: 'require', bwrap: '/no/such/bwrap', hidden: [], readable: [], unreachable: [] } as const;
    const strict = createRuntime({ kind: 'local', directory, supervisorFile: supervisorFile(), isolation });
    const pod = await aWantedPod();
    for (let attempt = 1; attempt <= MAX_POD_ATTEMPTS; attempt += 1) {
      expect(await reconcilePod({ ...ports(), runtime: strict }, pod.id, null)).toBe('failed');
      await database.query(
        `update pod set not_before = now() - interval '1 s' where id = $1 and state = 'provisioning'`,
        [pod.id],
      );
    }
    expect(await look(pod)).toBeNull();
    expect(await readPod(pod)).toMatchObject({
      state: 'error',
      problem: { code: 'isolation_unproven', detail: expect.stringContaining('bubblewrap is missing') },
    });
  });

  it('says while it waits what the platform says of the pod', async () => {
    const pod = await aWantedPod();
    await step(pod, null);
    const pending = {
      ...(await failure(pod, 'Unschedulable')),
      phase: 'pending',
      message: '0/1 nodes are available',
    } as const;
    expect(await step(pod, pending)).toBe('none');
    expect(await readPod(pod)).toMatchObject({
      state: 'provisioning',
      lastError: 'Unschedulable: 0/1 nodes are available',
    });
    expect(await step(pod)).toBe('ready');
    expect(await readPod(pod)).toMatchObject({ lastError: null });
  });

  it('backs off while the platform can not be asked, and loses nothing', async () => {
    const pod = await aWantedPod();
    const away = {
      ...ports(),
      runtime: {
        ...runtime,
        kind: 'local',
        create: () => Promise.reject(new TransientError('no answer', { code: 'away' })),
      } as Runtime,
    };
    await expect(reconcilePod(away, pod.id, null)).rejects.toThrow('no answer');
    expect(await readPod(pod)).toMatchObject({ state: 'provisioning', lastError: 'no answer' });
    await step(pod, null);
    expect(await step(pod)).toBe('ready');
  });

  it('notices that a ready pod is gone, with the reason, and gives its place back', async () => {
    const pod = await aWantedPod();
    await step(pod);
    await step(pod);
    expect(await step(pod, await failure(pod, 'OOMKilled'))).toBe('lost');
    expect(await step(pod)).toBe('delete');
    const health = await database.query<PodHealthEvent>(
      'select kind from pod_health_event where pod_id = $1 order by at',
      [pod.id],
    );
    expect(health.map(({ kind }) => kind)).toEqual(['healthy', 'oom_killed']);
  });

  it('is not given up for having been absent before a sibling made it, but for being absent now', async () => {
    const pod = await aWantedPod();
    const before = await look(pod);
    await step(pod);
    await step(pod);
    expect([before, await step(pod, before)]).toEqual([null, 'none']);
    expect((await readPod(pod)).state).toBe('ready');
    await runtime.delete(pod.name);
    expect(await step(pod, before)).toBe('lost');
  });

  describe('when another replica was faster', () => {
    const rested = (pod: Pod) => database.query(`update pod set not_before = null where id = $1`, [pod.id]);
    async function anAttemptThatFailed(): Promise<{ pod: Pod; seen: ObservedPod }> {
      const pod = await aWantedPod();
      await step(pod);
      return { pod, seen: await failure(pod, 'Error') };
    }
    /** Counts the failure, and makes the pod anew. */
    async function siblingGoesOn(pod: Pod, seen: ObservedPod): Promise<void> {
      expect(await step(pod, seen)).toBe('failed');
      await rested(pod);
      expect(await step(pod)).toBe('create');
    }

    it('late word of a former attempt neither fails nor deletes the next one', async () => {
      const { pod, seen } = await anAttemptThatFailed();
      await siblingGoesOn(pod, seen);
      const fresh = await look(pod);
      expect(fresh?.uid).not.toBe(seen.uid);
      expect(await step(pod, seen)).toBe('ready');
      expect(await look(pod)).toEqual(fresh);
      expect(await readPod(pod)).toMatchObject({ state: 'ready', attempts: 0 });
    });

    it('nothing is deleted by who loses the row', async () => {
      const { pod, seen } = await anAttemptThatFailed();
      const list = async (labels: Readonly<Record<string, string>>) => {
        const shown = await runtime.list(labels);
        await siblingGoesOn(pod, seen);
        return shown;
      };
      const deleted: string[] = [];
      const loser = {
        kind: 'local',
        list,
        delete: async (name: string) => void deleted.push(name),
      } as unknown as Runtime;
      await reconcilePod({ ...ports(), runtime: loser }, pod.id, seen);
      expect(deleted).toEqual([]);
      expect(await readPod(pod)).toMatchObject({ state: 'provisioning', attempts: 1 });
    });

    it('what it failed with and died before deleting is deleted before another is made, and counted once', async () => {
      const { pod, seen } = await anAttemptThatFailed();
      const dies = {
        kind: 'local',
        list: (labels: Readonly<Record<string, string>>) => runtime.list(labels),
        delete: () => Promise.reject(new Error('killed')),
      } as unknown as Runtime;
      await expect(reconcilePod({ ...ports(), runtime: dies }, pod.id, seen)).rejects.toThrow('killed');
      await rested(pod);
      expect(await step(pod, seen)).toBe('clear');
      expect(await step(pod)).toBe('create');
      expect((await look(pod))?.uid).not.toBe(seen.uid);
      expect(await readPod(pod)).toMatchObject({ attempts: 1 });
    });
  });

  it('is settled by the row’s version when two replicas act at once', async () => {
    const pod = await aWantedPod();
    await step(pod);
    const seen = await look(pod);
    await Promise.all([step(pod, seen), step(pod, seen), step(pod, seen)]);
    expect((await database.query(`select 1 from pod_health_event where kind = 'healthy'`)).length).toBe(1);
  });
});

describe('giving up pods', () => {
  const idle = (pod: Pod) =>
    database.query(`update pod set ready_at = now() - interval '1 hour' where id = $1`, [pod.id]);

  it('takes idle ones only, the last made first', async () => {
    const repository = await aRepository(database);
    const [first, last, busy] = [
      await aPod(database, repository),
      await aPod(database, repository, { ordinal: 1 }),
      await aPod(database, repository, { ordinal: 2 }),
    ];
    await Promise.all([first, last, busy].map(idle));
    await aRun(database, repository, { pod: busy, state: 'running' });
    expect(await reclaimPods(database, 600_000)).toEqual([last.id]);
    expect(await reclaimPods(database, 600_000)).toEqual([first.id]);
    expect(await reclaimPods(database, 600_000)).toEqual([]);
  });

  it('leaves pods alone that were used a moment ago', async () => {
    const repository = await aRepository(database);
    const { run, pod } = await aRun(database, repository);
    await idle(pod);
    await database.query(
      `update run set state = 'finished', outcome = '{"kind":"stopped","detail":"x"}', finished_at = now() where id = $1`,
      [run.id],
    );
    expect(await reclaimPods(database, 600_000)).toEqual([]);
  });

  it('deletes a pod whose run was fenced off, however young', async () => {
    const repository = await aRepository(database);
    const { run, pod } = await aRun(database, repository);
    await database.query(
      `update run set state = 'finished', outcome = '{"kind":"lost","detail":"x"}', fenced_at = now() where id = $1`,
      [run.id],
    );
    expect(await reclaimPods(database, 600_000)).toEqual([pod.id]);
  });
});

describe('worktrees', () => {
  async function aWorktree(taskState: 'completed' | 'pr_opened') {
    const repository = await aRepository(database);
    const pod = await aPod(database, repository);
    await runtime.create({ name: pod.name, labels: POD_LABELS });
    const { run, task } = await aRun(database, repository, {
      pod,
      taskState,
      state: 'finished',
      outcome: { kind: 'commits', detail: 'x' },
    } as never);
    const root = `${runtime.root(pod.name)}/worktrees/${task.id}-g1`;
    mkdirSync(`${root}/tree`, { recursive: true });
    mkdirSync(`${root}/home`);
    await database.query(
      'insert into worktree (id, workspace_id, task_id, pod_id, generation, path, home) values ($1,$2,$3,$4,1,$5,$6)',
      [newId(), task.workspaceId, task.id, pod.id, `${root}/tree`, `${root}/home`],
    );
    return { pod, task, run, root };
  }

  it('outlive their task for a while, then go with home and all', async () => {
    const { pod, task, root } = await aWorktree('completed');
    await database.query('update task set ended_at = now() where id = $1', [task.id]);
    expect(await dueWorktrees(reclaim(), 10)).toEqual([]);
    await database.query(`update task set ended_at = now() - interval '1 hour' where id = $1`, [task.id]);
    const [due] = await dueWorktrees(reclaim(), 10);
    await removeWorktree(reclaim(), due!);
    await removeWorktree(reclaim(), due!);
    expect(existsSync(root)).toBe(false);
    expect(await dueWorktrees(reclaim(), 10)).toEqual([]);
    expect(await removeOrphans(reclaim(), pod)).toEqual([]);
  });

  it('stay while their pull request is open', async () => {
    await aWorktree('pr_opened');
    expect(await dueWorktrees(reclaim(), 10)).toEqual([]);
  });

  it('take the journals of their runs along, and nobody’s journal stays for ever', async () => {
    const { pod, task, run } = await aWorktree('pr_opened');
    const journal = (id: string) => `${runtime.root(pod.name)}/runs/${id}`;
    const unknown = newId();
    for (const id of [run.id, unknown]) {
      mkdirSync(journal(id), { recursive: true });
      writeFileSync(`${journal(id)}/exit.json`, '{"code":0,"signal":null}');
    }
    await database.query(`update run set finished_at = now() - interval '2 hours'`);
    expect(await removeRunDirectories(reclaim(), pod)).toBe(1);
    expect([existsSync(journal(unknown)), existsSync(journal(run.id))]).toEqual([false, true]);
    await database.query('update worktree set removed_at = now() where task_id = $1', [task.id]);
    await database.query(`update run set finished_at = now()`);
    expect(await removeRunDirectories(reclaim(), pod)).toBe(0);
    await database.query(`update run set finished_at = now() - interval '2 hours'`);
    expect(await removeRunDirectories(reclaim(), pod)).toBe(1);
    expect(existsSync(journal(run.id))).toBe(false);
  });

  it('that no row knows are removed and told', async () => {
    const { pod, root } = await aWorktree('pr_opened');
    const orphan = `${runtime.root(pod.name)}/worktrees/${newId()}-g1`;
    mkdirSync(orphan);
    expect(await removeOrphans(reclaim(), pod)).toHaveLength(1);
    expect([existsSync(orphan), existsSync(root)]).toEqual([false, true]);
    expect(await database.query(`select kind from pod_health_event where pod_id = $1`, [pod.id])).toEqual([
      { kind: 'orphan_cleaned' },
    ]);
  });
});
