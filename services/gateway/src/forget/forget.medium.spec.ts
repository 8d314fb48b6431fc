import { Database, migrate, newId } from '@capstan/database';
import { Metrics, Retention, openLogger } from '@capstan/service-kit';
import { SPEC, aRepository, testDatabase } from '@capstan/test-support';
import { gatewayRules } from './forget.loop.js';

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

const left = async (table: string, column: string) =>
  (await database.query<{ name: string }>(`select ${column} as name from ${table} order by 1`)).map(({ name }) => name);

it('forgets what has had its time, and nothing else', async () => {
  const { workspaceId } = await aRepository(database);
  const userId = newId();
  await database.query(`insert into "user" (id, email, name, password_hash) values ($1, 'a@b', 'a', 'x')`, [userId]);
  for (const [name, expires] of [
    ['over', '-1 minute'],
    ['valid', '1 minute'],
  ]) {
    await database.query(
      `insert into session (id, user_id, workspace_id, token_hash, expires_at) values ($1,$2,$3,$4::text::bytea, now() + $5::interval)`,
      [newId(), userId, workspaceId, name, expires],
    );
    await database.query(
      `insert into sign_in_link (token_hash, user_id, workspace_id, expires_at) values ($1::text::bytea,$2,$3, now() + $4::interval)`,
      [name, userId, workspaceId, expires],
    );
  }
  await database.query(
    `insert into sign_in_attempt (key, failures, locked_until, updated_at) values
       ('old', 1, null, now() - interval '2 days'), ('locked', 5, now() + interval '1 hour', now() - interval '2 days'), ('young', 1, null, now())`,
  );
  await database.query(
    `insert into idempotency (workspace_id, key, request_hash, status, answer, created_at) values
       ($1, 'old', 'h', 200, '{}', now() - interval '3 days'), ($1, 'young', 'h', 200, '{}', now() - interval '1 day')`,
    [workspaceId],
  );
  for (const [action, days] of [
    ['old', 11],
    ['young', 9],
  ])
    await database.query(
      `insert into audit (id, workspace_id, actor, action, at) values ($1,$2,$3,$4, now() - $5 * interval '1 day')`,
      [newId(), workspaceId, SPEC, action, days],
    );
  for (const [kind, days] of [
    ['old', 31],
    ['young', 29],
    ['open', null],
  ])
    await database.query(
      `insert into parked_request (id, workspace_id, kind, row_id, action, owner, actor, created_at, answered_at)
       values ($1,$2,$3,$4,'drop','scheduler',$5, now() - interval '90 days', now() - $6::float * interval '1 day')`,
      [newId(), workspaceId, kind, newId(), SPEC, days],
    );
  const rules = gatewayRules(database, { audit: 10, idempotency: 2, request: 30 });
  expect(await new Retention(new Metrics(), logger).sweep(rules, () => false)).toEqual({ more: false });
  expect(await left('session', `convert_from(token_hash, 'utf8')`)).toEqual(['valid']);
  expect(await left('sign_in_link', `convert_from(token_hash, 'utf8')`)).toEqual(['valid']);
  expect(await left('sign_in_attempt', 'key')).toEqual(['locked', 'young']);
  expect(await left('idempotency', 'key')).toEqual(['young']);
  expect(await left('audit', 'action')).toEqual(['young']);
  expect(await left('parked_request', 'kind')).toEqual(['open', 'young']);
});
