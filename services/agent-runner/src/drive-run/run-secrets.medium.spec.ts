import { randomBytes } from 'node:crypto';
import { Database, migrate, newId, type Repository } from '@capstan/database';
import type { Actor, ModelOrderEntry } from '@capstan/domain';
import { Vault } from '@capstan/service-kit';
import { aRepository, testDatabase } from '@capstan/test-support';
import { runSecrets } from './run-secrets.js';

let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let vault: Vault;
let repository: Repository;
let ada: Actor;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url, poolSize: 2 });
  vault = new Vault(database, randomBytes(32).toString('base64'));
});
afterAll(async () => {
  await database.close();
  await server.close();
});
beforeEach(async () => {
  repository = await aRepository(database);
  ada = { kind: 'user', id: newId() };
  await database.query(`insert into "user" (id, email, name, password_hash) values ($1, $2, 'Ada', '')`, [
    ada.id,
    `${ada.id}@spec.example`,
  ]);
  await database.query(`insert into membership values ($1, $2, 'member')`, [repository.workspaceId, ada.id]);
});

const put = (name: string, value: string, userId: string | null = null) =>
  database.transaction((tx) =>
    vault.put(tx, { workspaceId: repository.workspaceId, repositoryId: null, userId, name }, value),
  );
const order = (entries: readonly ModelOrderEntry[]) =>
  database.query(`insert into model_order (workspace_id, protocol, entries) values ($1, 'anthropic', $2)`, [
    repository.workspaceId,
    JSON.stringify(entries),
  ]);
const read = (createdBy: Actor, name: string, baseUrl?: string) =>
  runSecrets(
    { database, vault },
    {
      run: {
        workspaceId: repository.workspaceId,
        repositoryId: repository.id,
        agent: { agent: 'claude-code', ...(baseUrl === undefined ? {} : { baseUrl }) },
      },
      task: { createdBy },
    },
  )(name);

it('are those of the person who made the task, before the workspace’s', async () => {
  await put('CLAUDE_AUTH_MODE', 'api-key');
  await put('CLAUDE_AUTH_MODE', 'oauth-token', ada.id);
  expect(await read(ada, 'CLAUDE_AUTH_MODE')).toBe('oauth-token');
  expect(await read({ kind: 'user', id: newId() }, 'CLAUDE_AUTH_MODE')).toBe('api-key');
  // Whoever writes a ticket is no member, whatever they are called.
  for (const kind of ['tracker', 'forge', 'service'] as const)
    expect(await read({ kind, id: ada.id }, 'CLAUDE_AUTH_MODE')).toBe('api-key');
});

it('have nothing of a person’s at an endpoint that the repository has set', async () => {
  await put('ANTHROPIC_API_KEY', 'hers', ada.id);
  expect(await read(ada, 'ANTHROPIC_API_KEY', 'https://in.house')).toBeNull();
});

it('count a key as set where the order of its provider has something that is, at its own address', async () => {
  expect(await read(ada, 'ANTHROPIC_API_KEY')).toBeNull();
  await order([{ kind: 'compatible', baseUrl: 'https://other.example', secret: 'OTHER_KEY', models: {} }]);
  expect(await read(ada, 'ANTHROPIC_API_KEY')).toBeNull();
  await put('OTHER_KEY', 'theirs');
  const found = await read(ada, 'ANTHROPIC_API_KEY');
  expect([found === null, found === 'theirs']).toEqual([false, false]);
  expect(await read(ada, 'ANTHROPIC_API_KEY', 'https://in.house')).toBeNull();
  for (const name of ['OPENAI_API_KEY', 'CLAUDE_AUTH_MODE', 'COPILOT_GITHUB_TOKEN'])
    expect(await read(ada, name)).toBeNull();
});
