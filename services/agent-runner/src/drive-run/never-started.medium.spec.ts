import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noFaults } from '@capstan/domain';
import { Database, migrate, type Run } from '@capstan/database';
import { connectBroker } from '@capstan/jetstream';
import { SupervisorClient, createRuntime } from '@capstan/runtimes';
import { Metrics, Vault, openLogger } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, aRun, eventually, testDatabase, testNats } from '@capstan/test-support';
import { leaseRuns } from '../lease-run/lease-run.apply.js';
import { RunnerPool } from '../lease-run/runner-pool.js';

it('a run that ended before its start is never started, by an owner that wakes up afterwards either', async () => {
  const server = await testDatabase({ migrate });
  const database = await Database.open({ url: server.url });
  const broker = await connectBroker({ ...testNats(), name: 'spec' });
  const directory = mkdtempSync(join(tmpdir(), 'capstan-never-'));
  const runtime = createRuntime({ kind: 'local', directory, supervisorFile: supervisorFile() });
  const repository = await aRepository(database);
  const pod = await aPod(database, repository);
  await runtime.create({ name: pod.name, labels: { spec: 'yes' } });
  const { run } = await aRun(database, repository, { pod });
  const pool = new RunnerPool(
    database,
    broker,
    new Vault(database, randomBytes(32).toString('base64')),
    runtime,
    {
      CAPSTAN_WORKER_SLOTS: 5,
      CAPSTAN_STARTS_AT_ONCE: 8,
      CAPSTAN_COMMIT_AUTHOR: 'Capstan <capstan@localhost>',
    } as never,
    openLogger({ format: 'json', level: 'fatal', secrets: [] }),
    noFaults,
    { service: 'agent-runner', instance: 'awake' },
    new Metrics(),
  );
  const readRun = async (): Promise<Run> =>
    (await database.query<Run>('select * from run where id = $1', [run.id]))[0]!;
  try {
    const [asleep] = await leaseRuns(database, 'asleep', { limit: 1, takeOver: false });
    await database.query(`update run set lease_expires_at = now() - interval '1 s'`);
    await database.query(`update task set intent = 'cancel', intent_at = now()`);
    await pool.lease({ takeOver: true });
    await eventually(async () => (await readRun()).state === 'finished', 20_000);
    expect(await readRun()).toMatchObject({ epoch: 2, outcome: { kind: 'stopped' }, launchedAt: null });
    const launched = new SupervisorClient(runtime, pod.name).launch(run.id, {
      epoch: asleep!.epoch,
      argv: ['/bin/sh', '-c', 'touch started'],
      env: {},
      cwd: runtime.root(pod.name),
      deadlineAt: Date.now() + 60_000,
      maxJournalBytes: 1_000_000,
      graceMs: 200,
    });
    await expect(launched).rejects.toMatchObject({ code: 'fenced' });
  } finally {
    await pool.beforeApplicationShutdown();
    await runtime.delete(pod.name);
    await broker.keeper.destroy();
    await broker.close();
    await database.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);
