import { randomBytes } from 'node:crypto';
import { Database, migrate } from '@capstan/database';
import { aRepository, testDatabase } from '@capstan/test-support';
import { Vault } from './vault.js';

const key = () => randomBytes(32).toString('base64');
let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;

beforeAll(async () => {
  server = await testDatabase();
  await migrate(server.url);
  database = await Database.open({ url: server.url, poolSize: 2 });
});
afterAll(async () => {
  await database.close();
  await server.close();
});

describe('the vault', () => {
  it('gives back what was put, a repository’s own before the workspace’s', async () => {
    const { workspaceId, id: repositoryId } = await aRepository(database);
    const vault = new Vault(database, key());
    const owner = { workspaceId, repositoryId, name: 'TOKEN' };
    await database.transaction((tx) => vault.put(tx, { ...owner, repositoryId: null }, 'for all'));
    expect(await vault.require(owner)).toBe('for all');
    await database.transaction((tx) => vault.put(tx, owner, 'for one'));
    expect(await vault.require(owner)).toBe('for one');
  });

  it('gives all of several names that are set, by the same rule', async () => {
    const { workspaceId, id: repositoryId } = await aRepository(database);
    const vault = new Vault(database, key());
    const put = (name: string, of: string | null, value: string) =>
      database.transaction((tx) => vault.put(tx, { workspaceId, repositoryId: of, name }, value));
    await put('KEY', null, 'for all');
    await put('KEY', repositoryId, 'for one');
    await put('KEY_2', null, 'second for all');
    await put('OTHER', null, 'not asked for');
    const found = await vault.getAll({ workspaceId, repositoryId }, ['KEY', 'KEY_2', 'KEY_3']);
    expect([...found]).toEqual([
      ['KEY', 'for one'],
      ['KEY_2', 'second for all'],
    ]);
    const { id: elsewhere } = await aRepository(database, { workspaceId });
    expect(await vault.getAll({ workspaceId, repositoryId: elsewhere }, ['KEY'])).toEqual(
      new Map([['KEY', 'for all']]),
    );
  });

  it('names a secret that is not set', async () => {
    const { workspaceId, id: repositoryId } = await aRepository(database);
    await expect(
      new Vault(database, key()).require({ workspaceId, repositoryId, name: 'NOT_SET' }),
    ).rejects.toMatchObject({
      code: 'credential_missing',
      field: 'NOT_SET',
      remedy: expect.stringContaining('NOT_SET') as unknown,
    });
  });

  it('refuses a key that is none, and one that the secrets were not sealed with', async () => {
    expect(() => new Vault(database, 'short')).toThrow(
      expect.objectContaining({ code: 'encryption_key_invalid' }) as Error,
    );
    const first = new Vault(database, key());
    await first.checkKey();
    await first.checkKey();
    await expect(new Vault(database, key()).checkKey()).rejects.toMatchObject({
      name: 'UserError',
      code: 'encryption_key_changed',
      remedy: expect.stringContaining('former key') as unknown,
    });
  });
});
