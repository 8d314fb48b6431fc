import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@capstan/database';
import { openHost, runToken } from '@capstan/service-kit';
import { aRepository, aRun, testDatabase, testNats } from '@capstan/test-support';
import { viaProxy } from './egress.fixture.js';
import { Egress } from './egress.js';
import * as egress from './main.js';

jest.setTimeout(60_000);

it('boots, serves, and writes what is left when it ends', async () => {
  const server = await testDatabase({ migrate });
  const nats = testNats();
  const directory = mkdtempSync(join(tmpdir(), 'egress-'));
  const encryptionKey = randomBytes(32).toString('base64');
  const env = {
    CAPSTAN_DATABASE_URL: server.url,
    CAPSTAN_NATS_URL: nats.url,
    CAPSTAN_NATS_PREFIX: nats.prefix,
    CAPSTAN_ENCRYPTION_KEY: encryptionKey,
    CAPSTAN_DATA_DIR: directory,
    CAPSTAN_INTERNAL_PORT: '0',
    CAPSTAN_EGRESS_PORT: '0',
  };
  const host = await openHost({ env, services: [egress], write: () => undefined });
  try {
    const service = await host.start(egress);
    const { database } = host;
    const { run } = await aRun(database, await aRepository(database), { state: 'running', taskState: 'running' });
    const { url } = service.get<Egress>(Egress).server;
    const token = runToken(encryptionKey, run.id);
    expect(await viaProxy(url, 'http://evil.example/', token)).toMatchObject({ status: 403 });
    expect(
      await viaProxy({ socketPath: join(directory, 'egress', 'egress.sock') }, 'http://evil.example/', token),
    ).toMatchObject({
      status: 403,
    });
    const second = openSecond(env, url);
    await expect(second).rejects.toMatchObject({ code: 'port_taken', field: 'CAPSTAN_EGRESS_PORT' });
    await service.close(1_000);
    expect(await database.query('select host, reason, connections from run_network')).toEqual([
      { host: 'evil.example', reason: 'host_blocked', connections: 2 },
    ]);
  } finally {
    await host.close(1_000);
    await server.close();
    rmSync(directory, { recursive: true });
  }
});

async function openSecond(env: Record<string, string>, url: string): Promise<void> {
  const taken = { ...env, CAPSTAN_EGRESS_PORT: new URL(url).port };
  const host = await openHost({ env: taken, services: [egress], write: () => undefined });
  try {
    await host.start(egress);
  } finally {
    await host.close(1_000);
  }
}
