import { newId } from '@capstan/database';
import type { Id } from '@capstan/domain';
import { aRepository, aRun } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

let gateway: TestGateway;
let user: SignedInUser;
beforeAll(async () => {
  gateway = await TestGateway.start();
  user = await gateway.aUser();
});
afterAll(() => gateway.close());

const ask = (runId: string, as = user) => gateway.ask('GET', `/api/runs/${runId}/network`, { as });
const insert = async (table: string, row: Readonly<Record<string, unknown>>) => {
  const names = Object.keys(row);
  const places = names.map((_, index) => `$${index + 1}`);
  await gateway.database.query(
    `insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`,
    Object.values(row),
  );
};

it('tells what a run asked of the world, what was blocked first, and to nobody of another workspace', async () => {
  const { workspaceId } = user;
  const { run } = await aRun(gateway.database, await aRepository(gateway.database, { workspaceId }));
  expect((await ask(run.id)).body).toEqual({ runId: run.id, hosts: [], models: [] });

  const of = { workspace_id: workspaceId, run_id: run.id as Id };
  const times = { first_at: '2026-01-02T03:04:05Z', last_at: '2026-01-02T03:04:06Z' };
  const allowed = {
    host: 'registry.npmjs.org',
    port: 443,
    verdict: 'allowed',
    reason: null,
    client: 'npm/11',
    connections: 9,
  };
  const blocked = {
    host: 'evil.example',
    port: 443,
    verdict: 'blocked',
    reason: 'not_listed',
    client: null,
    connections: 1,
  };
  await insert('run_network', { ...of, ...allowed, ...times, bytes_up: 5_000_000_000, bytes_down: 7 });
  await insert('run_network', { ...of, ...blocked, ...times, bytes_up: 0, bytes_down: 0 });
  const tokens = {
    input_tokens: 1000,
    output_tokens: 20,
    cache_read_tokens: 3,
    cache_write_tokens: 0,
    unpriced_calls: 0,
  };
  await insert('model_use', { ...of, provider: 'anthropic', model: 'm', calls: 2, ...tokens, cost_usd: '0.0125' });
  await insert('model_use', { ...of, provider: 'openai', model: 'n', calls: 1, ...tokens, cost_usd: null });

  const { status, body } = await ask(run.id);
  expect(status).toBe(200);
  const [firstAt, lastAt] = ['2026-01-02T03:04:05.000Z', '2026-01-02T03:04:06.000Z'];
  expect(body).toEqual({
    runId: run.id,
    hosts: [
      { ...blocked, bytesUp: 0, bytesDown: 0, firstAt, lastAt },
      { ...allowed, bytesUp: 5_000_000_000, bytesDown: 7, firstAt, lastAt },
    ],
    models: [
      {
        ...{ provider: 'anthropic', model: 'm', calls: 2, costUsd: '0.0125' },
        ...{ inputTokens: 1000, outputTokens: 20, cacheReadTokens: 3, cacheWriteTokens: 0 },
      },
      expect.objectContaining({ provider: 'openai', costUsd: null }),
    ],
  });
  expect((await ask(run.id, await gateway.aUser())).status).toBe(404);
  expect((await ask(newId())).status).toBe(404);
});
