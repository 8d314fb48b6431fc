import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ParkedRequests, openLogger } from '@capstan/service-kit';
import { Database, migrate, type Run } from '@capstan/database';
import { SupervisorClient, createRuntime, type Runtime } from '@capstan/runtimes';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, aRun, askOfParked, park, parkedIn, testDatabase } from '@capstan/test-support';
import { leaseRuns } from '../lease-run/lease-run.apply.js';
import { parkedVerbs } from './parked-rows.apply.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let owner: ParkedRequests;
let runtime: Runtime;
let directory: string;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  directory = mkdtempSync(join(tmpdir(), 'capstan-parked-runs-'));
  runtime = createRuntime({ kind: 'local', directory, supervisorFile: supervisorFile() });
  const lease = async (runId: string) =>
    void (await leaseRuns(database, 'runner', { limit: 1, runId, takeOver: true }));
  const logger = openLogger({ format: 'text', level: 'silent' });
  owner = new ParkedRequests({
    database,
    logger,
    owner: 'agent-runner',
    verbs: parkedVerbs({ lease, runtime: () => runtime }),
  });
});
afterAll(async () => {
  for (const { name } of await runtime.list({})) await runtime.delete(name);
  await database.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
}, 30_000);
beforeEach(() => database.query('truncate workspace, outbox cascade'));

const read = async ({ id }: Run) => (await database.query<Run>('select * from run where id = $1', [id]))[0]!;
const ask = ({ workspaceId, id: rowId }: Run, action: 'replay' | 'drop') =>
  askOfParked(database, owner, { workspaceId, kind: 'run', rowId, action });

async function aParkedRun(over: Partial<Run>): Promise<Run> {
  const { run } = await aRun(database, await aRepository(database), { epoch: 3, ...over });
  await park(database, 'run', run.id);
  expect(await parkedIn(database)).toEqual([{ kind: 'run', id: run.id }]);
  return run;
}

describe('a parked run', () => {
  it('is leased at once when it is replayed, under a higher epoch', async () => {
    const run = await aParkedRun({ state: 'leased' });
    expect(await leaseRuns(database, 'runner', { limit: 1, takeOver: true })).toEqual([]);
    expect(await ask(run, 'replay')).toMatchObject({ applied: true, code: 'replayed' });
    expect(await read(run)).toMatchObject({ state: 'leased', owner: 'runner', epoch: 4, attempts: 0, parkedAt: null });
    expect(await ask(run, 'replay')).toMatchObject({ code: 'not_parked' });
  });

  it('is ended by a drop, so that its slot is free', async () => {
    const run = await aParkedRun({ state: 'placed' });
    expect(await ask(run, 'drop')).toMatchObject({ applied: true, code: 'dropped' });
    const ended = await read(run);
    expect(ended).toMatchObject({
      state: 'finished',
      epoch: 4,
      fencedAt: null,
      outcome: { kind: 'failed', symptom: 'dropped', detail: expect.stringContaining('failed 8 times: boom') },
    });
    expect(await parkedIn(database)).toEqual([]);
    const events = await database.query<{ event: string }>('select event from outbox order by created_at, id');
    expect(events.map(({ event }) => event)).toContain('run.finished');
    expect(await ask(run, 'drop')).toMatchObject({ code: 'not_parked' });
    expect(await read(run)).toEqual(ended);
  });

  describe('that never started, dropped', () => {
    async function inAPod(): Promise<{ run: Run; start: (epoch: number) => Promise<unknown> }> {
      const repository = await aRepository(database);
      const pod = await aPod(database, repository);
      await runtime.create({ name: pod.name, labels: { spec: 'yes' } });
      const { run } = await aRun(database, repository, { pod, state: 'leased', epoch: 3 });
      await park(database, 'run', run.id);
      const start = (epoch: number) =>
        new SupervisorClient(runtime, pod.name).launch(run.id, {
          epoch,
          argv: ['/bin/sh', '-c', 'trap "" INT TERM; sleep 60'],
          env: {},
          cwd: runtime.root(pod.name),
          deadlineAt: Date.now() + 60_000,
          maxJournalBytes: 1_000_000,
          graceMs: 8_000,
        });
      return { run, start };
    }

    it('is never started, by an owner that wakes up afterwards either', async () => {
      const { run, start } = await inAPod();
      expect(await ask(run, 'drop')).toMatchObject({ applied: true, code: 'dropped' });
      expect(await read(run)).toMatchObject({ state: 'finished', epoch: 4, fencedAt: null });
      await expect(start(3)).rejects.toMatchObject({ code: 'fenced' });
    });

    it('is fenced when its agent was started unheard', async () => {
      const { run, start } = await inAPod();
      await start(3);
      await ask(run, 'drop');
      expect(await read(run)).toMatchObject({ state: 'finished', fencedAt: expect.any(Date) });
    }, 20_000);

    it('is fenced when its pod can not be asked', async () => {
      const { run } = await inAPod();
      const asking = runtime;
      runtime = createRuntime({ kind: 'local', directory, supervisorFile: join(directory, 'not-there.mjs') });
      await ask(run, 'drop');
      runtime = asking;
      expect(await read(run)).toMatchObject({ state: 'finished', fencedAt: expect.any(Date) });
    });
  });

  it('whose agent was launched is fenced by a drop: nobody can say that it is gone', async () => {
    const run = await aParkedRun({ state: 'running', launchedAt: new Date() });
    expect((await ask(run, 'drop')).detail).toContain('fenced');
    expect(await read(run)).toMatchObject({ state: 'finished', fencedAt: expect.any(Date) });
  });
});
