import { migrate, requestOfParkedRow, type ParkedRequest } from '@capstan/database';
import { openHost, type Host } from '@capstan/service-kit';
import {
  SPEC,
  aRepository,
  aTask,
  aWorker,
  eventually,
  park,
  readTask,
  testDatabase,
  testNats,
} from '@capstan/test-support';
import * as scheduler from './main.js';

jest.setTimeout(60_000);

let server: Awaited<ReturnType<typeof testDatabase>>;
let host: Host;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  const nats = testNats();
  const env = {
    CAPSTAN_DATABASE_URL: server.url,
    CAPSTAN_NATS_URL: nats.url,
    CAPSTAN_NATS_PREFIX: nats.prefix,
    CAPSTAN_INTERNAL_PORT: '0',
    CAPSTAN_ENCRYPTION_KEY: 'W8yMXV2n0n1wq0mZb6hUOYdQy0mCJp2hTj8cV6t1rXk=',
  };
  host = await openHost({ env, services: [scheduler], write: () => undefined });
  await host.start(scheduler);
});
afterAll(async () => {
  await host.close(1_000);
  await server.close();
});

it('places a parked task when a person replays it, and warns of it until then', async () => {
  const { database } = host;
  const repository = await aRepository(database, { maxConcurrentTasks: 2 });
  const task = await aTask(database, repository);
  await park(database, 'task', task.id);
  await aWorker(database);
  const report = async () => (await fetch(`${host.internalUrl}/healthz`)).json() as Promise<{ status: string }>;
  expect(await report()).toMatchObject({
    status: 'degraded',
    checks: expect.arrayContaining([expect.objectContaining({ name: 'parked rows', code: 'rows_parked' })]),
  });
  expect((await fetch(`${host.internalUrl}/readyz`)).status).toBe(200);
  expect(await (await fetch(`${host.internalUrl}/metrics`)).text()).toContain('capstan_parked_rows{kind="task"} 1');
  const { workspaceId } = repository;
  const ask = { workspaceId, kind: 'task', rowId: task.id, effectKind: null, reason: null, actor: SPEC } as const;
  const { id } = await database.transaction((tx) => requestOfParkedRow(tx, { ...ask, action: 'replay' }));
  await eventually(async () => (await readTask(database, task.id)).state === 'provisioning', 20_000);
  const [request] = await database.query<ParkedRequest>('select * from parked_request where id = $1', [id]);
  expect(request!.answer).toMatchObject({ applied: true, code: 'replayed' });
  expect(await report()).toMatchObject({ status: 'ok' });
});
