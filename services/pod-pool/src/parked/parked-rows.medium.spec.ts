import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, migrate, type Pod } from '@capstan/database';
import { createRuntime, type Runtime } from '@capstan/runtimes';
import { Loops, ParkedRequests, openLogger } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, aRun, askOfParked, park, parkedIn, testDatabase } from '@capstan/test-support';
import type { PodPoolConfig } from '../pod-pool.config.js';
import { Provisioner } from '../provision-pod/provisioner.js';
import { parkedVerbs } from './parked-rows.apply.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let runtime: Runtime;
let directory: string;
let provisioner: Provisioner;
let owner: ParkedRequests;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  directory = mkdtempSync(join(tmpdir(), 'capstan-parked-'));
  runtime = createRuntime({ kind: 'local', directory, supervisorFile: supervisorFile() });
  const logger = openLogger({ format: 'text', level: 'silent' });
  const config = { CAPSTAN_POD_READY_TIMEOUT_MS: 120_000, CAPSTAN_POD_UNSCHEDULABLE_TIMEOUT_MS: 600_000 };
  provisioner = new Provisioner(database, new Loops(logger), runtime, config as PodPoolConfig, logger);
  const verbs = parkedVerbs((podId) => provisioner.step(podId));
  owner = new ParkedRequests({ database, logger, owner: 'pod-pool', verbs });
});
afterAll(async () => {
  for (const { name } of await runtime.list({})) await runtime.delete(name);
  await database.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => database.query('truncate workspace, outbox cascade'));

const read = async ({ id }: Pod) => (await database.query<Pod>('select * from pod where id = $1', [id]))[0]!;
const ask = ({ workspaceId, id: rowId }: Pod, action: 'replay' | 'drop') =>
  askOfParked(database, owner, { workspaceId, kind: 'pod', rowId, action });

describe('a parked pod', () => {
  it('is made at once when it is replayed', async () => {
    const pod = await aPod(database, await aRepository(database), { state: 'provisioning', readyAt: null });
    await park(database, 'pod', pod.id);
    await provisioner.step(pod.id);
    expect((await read(pod)).state).toBe('provisioning');
    expect(await parkedIn(database)).toEqual([{ kind: 'pod', id: pod.id }]);
    expect(await ask(pod, 'replay')).toMatchObject({ applied: true });
    expect(await read(pod)).toMatchObject({ state: 'ready', parkedAt: null, attempts: 0 });
  });

  it('is deleted by a drop', async () => {
    const pod = await aPod(database, await aRepository(database));
    await runtime.create({ name: pod.name, labels: { 'capstan.dev/part-of': 'capstan', 'capstan.dev/pod': pod.id } });
    await park(database, 'pod', pod.id);
    expect(await ask(pod, 'drop')).toMatchObject({ applied: true, code: 'dropped' });
    expect((await read(pod)).deletedAt).not.toBeNull();
    expect((await runtime.list({})).map(({ name }) => name)).not.toContain(pod.name);
    expect(await parkedIn(database)).toEqual([]);
  });

  it('is not dropped while an agent is at work in it', async () => {
    const { pod } = await aRun(database, await aRepository(database), { state: 'running' });
    await park(database, 'pod', pod.id);
    const refused = await ask(pod, 'drop');
    expect(refused).toMatchObject({ applied: false, code: 'drop_refused', remedy: expect.stringContaining('cancel') });
    expect(await read(pod)).toMatchObject({ state: 'ready', parkedAt: expect.any(Date) });
  });
});
