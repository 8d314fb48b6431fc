import { createHmac, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import fc from 'fast-check';
import type { Database } from '@capstan/database';
import {
  ForgeApp,
  migrate,
  newId,
  requestOfParkedRow,
  type Delivery,
  type Outbox,
  type ParkedRequest,
  type Repository,
} from '@capstan/database';
import { deliveryReceived } from '@capstan/events';
import { Vault, openHost, type Host, type RunningService } from '@capstan/service-kit';
import {
  SPEC,
  aRepository,
  eventually,
  onDatabase,
  park,
  parkedIn,
  testDatabase,
  testNats,
  type TestDatabase,
} from '@capstan/test-support';
import * as webhooks from './main.js';

jest.setTimeout(60_000);

const secret = randomBytes(16).toString('hex');
const vaultKey = randomBytes(32).toString('base64');
let server: TestDatabase;
let host: Host;
let service: RunningService;
let database: Database;
let repository: Repository;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  const nats = testNats();
  const key = vaultKey;
  const env = {
    CAPSTAN_DATABASE_URL: server.url,
    CAPSTAN_NATS_URL: nats.url,
    CAPSTAN_NATS_PREFIX: nats.prefix,
    CAPSTAN_ENCRYPTION_KEY: key,
    CAPSTAN_INTERNAL_PORT: '0',
    CAPSTAN_WEBHOOKS_PORT: '0',
  };
  host = await openHost({ env, services: [webhooks], write: () => undefined });
  service = await host.start(webhooks);
  database = host.database;
  repository = await aRepository(database);
  const owner = { workspaceId: repository.workspaceId, repositoryId: repository.id, name: 'WEBHOOK_SECRET' };
  await database.transaction((tx) => new Vault(database, key).put(tx, owner, secret));
});
afterAll(async () => {
  await host.close(1_000);
  await server.close();
});
beforeEach(() => database.query('delete from delivery'));

const sign = (body: Buffer | string, with_ = secret) =>
  `sha256=${createHmac('sha256', with_).update(body).digest('hex')}`;
const payload = (number: number) => JSON.stringify({ action: 'opened', issue: { number } });
function deliver(
  body: Buffer | string,
  {
    id = newId(),
    to = repository.id,
    signature = sign(body),
    forge = 'github',
    headers = {},
  }: Partial<Record<'id' | 'to' | 'signature' | 'forge', string>> & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(`${service.url}/hooks/${forge}/${to}`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body)),
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issues',
      'x-github-delivery': id,
      'x-hub-signature-256': signature,
      ...headers,
    },
  });
}
const stored = () => database.query<Delivery>('select * from delivery order by received_at');

it('stores exactly what arrived, without its signature, and wakes others', async () => {
  const events: string[] = [];
  const stop = database.onCommitted((rows) => events.push(...rows.map(({ event }) => event)));
  const body = ' {"issue": {"number": 7},\n "x": "ü"}';
  const id = newId();
  expect((await deliver(body, { id })).status).toBe(202);
  stop();
  const [row] = await stored();
  expect(row).toMatchObject({
    repositoryId: repository.id,
    forge: 'github',
    remoteId: id,
    event: 'issues',
  });
  expect(row!.body.toString()).toBe(body);
  expect(JSON.stringify(row!.headers)).not.toContain('sha256=');
  expect(row!.headers).toMatchObject({ 'x-github-event': 'issues', 'content-type': 'application/json' });
  expect(events).toEqual(['delivery.received']);
  await eventually(async () => expect(await database.query<Outbox>('select * from outbox')).toEqual([]));
});

it('stores each delivery once, however they are repeated and shuffled', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 }), async (order) => {
      await database.query('delete from delivery');
      const ids = new Map([1, 2, 3, 4, 5].map((number) => [number, newId()]));
      const answers = await Promise.all(order.map((number) => deliver(payload(number), { id: ids.get(number)! })));
      const distinct = new Set(order).size;
      expect(answers.filter(({ status }) => status === 202)).toHaveLength(distinct);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(order.length - distinct);
      expect(await stored()).toHaveLength(distinct);
    }),
    { numRuns: 15 },
  );
});

it('answers an unknown repository, a wrong signature and none alike', async () => {
  const answers = await Promise.all([
    deliver('{}', { to: newId() }),
    deliver('{}', { to: 'nonsense' }),
    deliver('{}', { forge: 'gitlab' }),
    deliver('{}', { signature: sign('{} ') }),
    deliver('{}', { signature: sign('{}', 'another secret') }),
    deliver('{}', { signature: '' }),
  ]);
  const said = await Promise.all(
    answers.map(async (answer) => {
      const { requestId: _, ...problem } = (await answer.json()) as Record<string, unknown>;
      return JSON.stringify([answer.status, problem]);
    }),
  );
  expect(new Set(said).size).toBe(1);
  expect(answers[0]!.status).toBe(401);
  expect(await stored()).toEqual([]);
});

it('refuses a repository without a secret, and an archived one', async () => {
  const bare = await aRepository(database);
  expect((await deliver('{}', { to: bare.id, signature: sign('{}', '') })).status).toBe(401);
  await database.query('update repository set archived_at = now() where id = $1', [repository.id]);
  expect((await deliver('{}')).status).toBe(401);
  await database.query('update repository set archived_at = null where id = $1', [repository.id]);
  expect((await deliver('{}')).status).toBe(202);
});

it('refuses what names no delivery, what is no POST, and other addresses', async () => {
  expect((await deliver('{}', { id: '' })).status).toBe(400);
  expect((await fetch(`${service.url}/hooks/github/${repository.id}`)).status).toBe(400);
  expect((await fetch(`${service.url}/hooks/github`)).status).toBe(404);
});

it('refuses what is too large, said or not, without reading it all', async () => {
  const status = await announce(26 * 1_048_576);
  expect(status).toContain('413');
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(1_048_576));
    },
  });
  const unsaid = await fetch(`${service.url}/hooks/github/${repository.id}`, {
    method: 'POST',
    body: stream,
    duplex: 'half',
  } as RequestInit).then(
    ({ status: code }) => code,
    // The connection may be closed while the sender still sends.
    () => 413,
  );
  expect(unsaid).toBe(413);
  expect(await stored()).toEqual([]);
});

it('gives up a delivery that drips, so that it keeps no place', async () => {
  const { port } = new URL(service.url!);
  const socket = connect(Number(port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.write(`POST /hooks/github/${repository.id} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{`);
  const drip = setInterval(() => socket.write(' '), 500);
  await eventually(() => answer.includes('body_incomplete'), 20_000);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer.toLowerCase()).toContain('connection: close');
  clearInterval(drip);
  socket.destroy();
});

it('says 503 while Postgres is slow, and takes it when it comes again', async () => {
  const id = newId();
  await onDatabase(server.url, async (client) => {
    await client.query('begin');
    await client.query('lock table delivery in access exclusive mode');
    const answer = await deliver(payload(1), { id });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    await client.query('rollback');
  });
  await eventually(async () => {
    expect([200, 202]).toContain((await deliver(payload(1), { id })).status);
  });
  expect(await stored()).toHaveLength(1);
});

/** A request that only announces how much it would send. */
function announce(bytes: number): Promise<string> {
  const { hostname, port } = new URL(service.url!);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      resolve(String(chunk).split('\r\n')[0]!);
      socket.destroy();
    });
    socket.write(`POST /hooks/github/${repository.id} HTTP/1.1\r\nhost: x\r\ncontent-length: ${bytes}\r\n\r\n`);
  });
}

describe('a parked delivery', () => {
  const asked = async (action: 'replay' | 'drop') => {
    const [delivery] = await database.query<Delivery>('select * from delivery');
    await park(database, 'delivery', delivery!.id, 'it could not be read');
    expect(await parkedIn(database)).toEqual([{ kind: 'delivery', id: delivery!.id }]);
    const row = { workspaceId: repository.workspaceId, kind: 'delivery' as const, rowId: delivery!.id };
    const { id } = await database.transaction((tx) =>
      requestOfParkedRow(tx, { ...row, action, effectKind: null, reason: null, actor: SPEC }),
    );
    // Through the broker: the service hears of it by itself.
    const answer = await eventually(async () => {
      const [request] = await database.query<ParkedRequest>('select * from parked_request where id = $1', [id]);
      return request!.answer ?? false;
    }, 20_000);
    return { answer, delivery: (await database.query<Delivery>('select * from delivery'))[0]! };
  };

  it('is handed on again when it is replayed', async () => {
    await deliver(payload(1));
    const heard: unknown[] = [];
    await host.broker.tail([deliveryReceived], (_event, message) => heard.push(message));
    const { answer, delivery } = await asked('replay');
    expect(answer).toMatchObject({ applied: true, code: 'replayed' });
    expect(delivery).toMatchObject({ parkedAt: null, attempts: 0 });
    await eventually(() => heard.some((message) => (message as { deliveryId: string }).deliveryId === delivery.id));
  });

  it('is marked as dropped', async () => {
    await deliver(payload(2));
    const { answer, delivery } = await asked('drop');
    expect(answer).toMatchObject({ applied: true, code: 'dropped' });
    expect(delivery).toMatchObject({
      parkedAt: null,
      lastError: 'Dropped by a person: the delivery had failed 8 times: it could not be read',
    });
    expect(await parkedIn(database)).toEqual([]);
  });
});

describe('of an app', () => {
  const appSecret = randomBytes(16).toString('hex');
  const id = newId();
  beforeAll(async () => {
    const { workspaceId, apiUrl } = repository;
    const names = { credentialSecret: 'GITHUB_APP_1_KEY', webhookSecret: 'GITHUB_APP_1_WEBHOOK_SECRET' };
    await database.transaction(async (tx) => {
      await tx.insert(ForgeApp, {
        ...{
          id,
          workspaceId,
          forge: 'github',
          apiUrl,
          appId: 7,
          slug: 'capstan',
          name: 'Capstan',
          owner: 'acme',
          url: '',
        },
        ...names,
      });
      const vault = new Vault(database, vaultKey);
      await vault.put(tx, { workspaceId, repositoryId: null, name: names.webhookSecret }, appSecret);
      await tx.query('update repository set credential_secret = $2 where id = $1', [
        repository.id,
        names.credentialSecret,
      ]);
    });
  });
  const about = (fullName: string) => JSON.stringify({ action: 'opened', repository: { full_name: fullName } });
  const send = (body: string, with_ = appSecret) =>
    deliver(body, { forge: 'github-app', to: id, signature: sign(body, with_) });

  it('are stored with the repository that they are about', async () => {
    expect((await send(about(repository.fullName.toUpperCase()))).status).toBe(202);
    expect(await stored()).toMatchObject([{ repositoryId: repository.id, forge: 'github', event: 'issues' }]);
  });

  it('are let go where they are about nothing of ours', async () => {
    for (const body of [about('acme/elsewhere'), JSON.stringify({ action: 'created', installation: { id: 1 } })])
      expect((await send(body)).status).toBe(200);
    expect(await stored()).toEqual([]);
  });

  it('are refused with another signature, and with a repository’s', async () => {
    expect((await send(about(repository.fullName), 'wrong')).status).toBe(401);
    expect((await send(about(repository.fullName), secret)).status).toBe(401);
    const body = about(repository.fullName);
    expect((await deliver(body, { signature: sign(body, appSecret) })).status).toBe(401);
    await database.query('update forge_app set removed_at = now() where id = $1', [id]);
    expect((await send(body)).status).toBe(401);
  });
});
