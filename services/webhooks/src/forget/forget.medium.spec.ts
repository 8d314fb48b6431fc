import { Database, migrate, newId, type Repository } from '@capstan/database';
import { Metrics, Retention, openLogger } from '@capstan/service-kit';
import { aRepository, testDatabase } from '@capstan/test-support';
import { webhooksRules } from './forget.loop.js';

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
beforeEach(() => database.query('truncate workspace cascade'));

const deliver = (repository: Repository, remoteId: string, days: number, parked = false) =>
  database.query(
    `insert into delivery (id, workspace_id, repository_id, forge, remote_id, event, headers, body, received_at, parked_at)
     values ($1,$2,$3,'github',$4,'push','{}','', now() - $5 * interval '1 day', case when $6 then now() end)`,
    [newId(), repository.workspaceId, repository.id, remoteId, days, parked],
  );
const left = async () =>
  (await database.query<{ id: string }>('select remote_id as id from delivery order by 1')).map(({ id }) => id);
const sweep = (most?: number) =>
  new Retention(new Metrics(), logger, most).sweep(webhooksRules(database, 14), () => false);

it('forgets old deliveries, but not parked ones, nor the latest of a repository that fell silent', async () => {
  const [busy, silent] = [await aRepository(database), await aRepository(database)];
  await deliver(busy, 'old', 15);
  await deliver(busy, 'parked', 15, true);
  await deliver(busy, 'young', 13);
  await deliver(silent, 'silent-first', 90);
  await deliver(silent, 'silent-last', 80);
  await sweep();
  expect(await left()).toEqual(['parked', 'silent-last', 'young']);
});

it('gets past any number of rows that have to stay, and says when there is more than one sweep takes', async () => {
  const repository = await aRepository(database);
  await database.query(
    `insert into delivery (id, workspace_id, repository_id, forge, remote_id, event, headers, body, received_at, parked_at)
     select gen_random_uuid(), $1, $2, 'github', 'n' || n, 'push', '{}', '', timestamptz '2020-01-01', case when n <= 1200 then now() end
       from generate_series(1, 2000) n`,
    [repository.workspaceId, repository.id],
  );
  await deliver(repository, 'latest', 0);
  expect(await sweep(300)).toEqual({ more: true });
  expect(await left()).toHaveLength(1_701);
  expect(await sweep()).toEqual({ more: false });
  expect(await left()).toHaveLength(1_201);
});

it('stops where it is told to, and goes on with other tables where one can not be swept', async () => {
  const repository = await aRepository(database);
  for (let each = 0; each < 3; each += 1) await deliver(repository, `old-${each}`, 20 + each);
  const retention = new Retention(new Metrics(), logger);
  await retention.sweep(webhooksRules(database, 14), () => true);
  expect(await left()).toHaveLength(3);
  const broken = {
    table: 'broken',
    begin: () => () => Promise.reject(new Error('no such table')),
    oldestSeconds: () => Promise.resolve(null),
  };
  await expect(retention.sweep([broken, ...webhooksRules(database, 14)], () => false)).rejects.toThrow('no such table');
  expect(await left()).toEqual(['old-0']);
});
