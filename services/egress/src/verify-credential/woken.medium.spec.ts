import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, type CredentialCheck } from '@capstan/database';
import { credentialCheck, credentialChecked } from '@capstan/events';
import { Vault, openHost } from '@capstan/service-kit';
import { aRepository, eventually, testDatabase, testNats } from '@capstan/test-support';
import { outside } from '../egress.fixture.js';
import * as egress from '../main.js';

jest.setTimeout(60_000);

it('checks a new credential at once, and again when somebody asks, woken by the events alone', async () => {
  const server = await testDatabase({ migrate });
  const nats = testNats();
  const directory = mkdtempSync(join(tmpdir(), 'egress-'));
  const encryptionKey = randomBytes(32).toString('base64');
  const value = `spec-${randomBytes(12).toString('hex')}`;
  let status = 200;
  const provider = await outside(({ headers }, response) => {
    response.statusCode = status;
    response.end(JSON.stringify({ error: { message: `No: ${headers.authorization}` } }));
  });
  const lines: string[] = [];
  const env = {
    CAPSTAN_DATABASE_URL: server.url,
    CAPSTAN_NATS_URL: nats.url,
    CAPSTAN_NATS_PREFIX: nats.prefix,
    CAPSTAN_ENCRYPTION_KEY: encryptionKey,
    CAPSTAN_DATA_DIR: directory,
    CAPSTAN_INTERNAL_PORT: '0',
    CAPSTAN_EGRESS_PORT: '0',
    CAPSTAN_LOG_LEVEL: 'debug',
  };
  const host = await openHost({ env, services: [egress], write: (line) => void lines.push(line) });
  try {
    await host.start(egress);
    const { database } = host;
    const told: unknown[] = [];
    const tail = await host.broker.tail([credentialChecked], (_, payload) => told.push(payload));
    const { id, workspaceId } = await aRepository(database, {
      credentialSecret: 'UNSET',
      agent: { agent: 'codex', baseUrl: `http://127.0.0.1:${provider.port}/v1` },
    });
    const vault = new Vault(database, encryptionKey);
    const owner = { workspaceId, repositoryId: id, name: 'OPENAI_API_KEY' };
    const { id: secretId } = await database.transaction((tx) => vault.put(tx, owner, value));
    const states = async () =>
      (await database.query<CredentialCheck>('select * from credential_check')).map(({ state, words }) => [
        state,
        words,
      ]);
    // Long before the loop would look by itself.
    await eventually(async () => expect(await states()).toEqual([['valid', null]]), 10_000);
    await eventually(() => expect(told).toEqual([{ workspaceId, secretId }]));
    status = 401;
    await database.transaction(async (tx) => {
      await tx.query('update secret set verify_asked_at = clock_timestamp()');
      await tx.emit(credentialCheck, { workspaceId, secretId });
    });
    await eventually(async () => expect(await states()).toEqual([['refused', 'No: Bearer ***']]), 10_000);
    await tail.close();
  } finally {
    await host.close(2_000);
    await provider.close();
    await server.close();
    rmSync(directory, { recursive: true });
  }
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.join('\n')).not.toContain(value);
});
