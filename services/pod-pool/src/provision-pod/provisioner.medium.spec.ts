import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, migrate } from '@capstan/database';
import { createRuntime } from '@capstan/runtimes';
import { Loops, openLogger } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { aPod, aRepository, testDatabase } from '@capstan/test-support';
import type { PodPoolConfig } from '../pod-pool.config.js';
import { Provisioner } from './provisioner.js';

it('says once that agents are not isolated here, by the symptom', async () => {
  const server = await testDatabase({ migrate });
  const database = await Database.open({ url: server.url, poolSize: 2 });
  const directory = mkdtempSync(join(tmpdir(), 'capstan-provisioner-'));
  const runtime = createRuntime({ kind: 'local', directory, supervisorFile: supervisorFile() });
  const lines: { message: string; code?: string }[] = [];
  const logger = openLogger({ format: 'json', level: 'warn', write: (line) => lines.push(JSON.parse(line) as never) });
  const config = { CAPSTAN_POD_READY_TIMEOUT_MS: 120_000, CAPSTAN_POD_UNSCHEDULABLE_TIMEOUT_MS: 600_000 };
  const provisioner = new Provisioner(database, new Loops(logger), runtime, config as PodPoolConfig, logger);
  for (const name of ['first', 'second']) {
    const repository = await aRepository(database);
    const pod = await aPod(database, repository, { name, state: 'provisioning', readyAt: null, runtime: null });
    await provisioner.step(pod.id);
  }
  expect(lines.filter(({ code }) => code === 'agents_not_isolated')).toHaveLength(1);
  for (const { name } of await runtime.list({})) await runtime.delete(name);
  await database.close();
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});
