import { randomBytes } from 'node:crypto';
import { Database, migrate, newId } from '@capstan/database';
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

async function aMember(workspaceId: string): Promise<string> {
  const id = newId();
  await database.query(`insert into "user" (id, email, name, password_hash) values ($1, $2, 'Spec', '')`, [
    id,
    `${id}@spec.example`,
  ]);
  await database.query(`insert into membership values ($1, $2, 'member')`, [workspaceId, id]);
  return id;
}

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
    expect([...found].map(([name, { value }]) => [name, value])).toEqual([
      ['KEY', 'for one'],
      ['KEY_2', 'second for all'],
    ]);
    const { id: elsewhere } = await aRepository(database, { workspaceId });
    expect(await vault.getAll({ workspaceId, repositoryId: elsewhere }, ['KEY'])).toEqual(
      new Map([['KEY', { value: 'for all', own: false }]]),
    );
  });

  it('gives a member their own before all others’, and nobody else anything of it', async () => {
    const { workspaceId, id: repositoryId } = await aRepository(database);
    const vault = new Vault(database, key());
    const [one, other] = [await aMember(workspaceId), await aMember(workspaceId)];
    const put = (of: { repositoryId?: string; userId?: string }, value: string) =>
      database.transaction((tx) => vault.put(tx, { workspaceId, repositoryId: null, name: 'KEY', ...of }, value));
    await put({ userId: one }, 'of one');
    expect(await vault.get({ workspaceId, repositoryId, name: 'KEY' })).toBeNull();
    await put({ repositoryId }, 'of the repository');
    await put({ userId: other }, 'of the other');
    const get = (userId: string | null) => vault.get({ workspaceId, repositoryId, userId, name: 'KEY' });
    expect([await get(one), await get(other), await get(null)]).toEqual([
      'of one',
      'of the other',
      'of the repository',
    ]);
    await put({ userId: one }, 'of one, anew');
    expect(await vault.getAll({ workspaceId, repositoryId, userId: one }, ['KEY'])).toEqual(
      new Map([['KEY', { value: 'of one, anew', own: true }]]),
    );
  });

  it('opens nothing that was moved to another owner', async () => {
    const { workspaceId } = await aRepository(database);
    const vault = new Vault(database, key());
    const [one, other] = [await aMember(workspaceId), await aMember(workspaceId)];
    const owner = { workspaceId, repositoryId: null, name: 'KEY' };
    const { id } = await database.transaction((tx) => vault.put(tx, { ...owner, userId: one }, 'of one'));
    for (const userId of [other, null]) {
      await database.query('update secret set user_id = $2 where id = $1', [id, userId]);
      await expect(vault.get({ ...owner, userId })).rejects.toThrow();
    }
  });

  it('keeps a member’s own for as long as they are one, and no secret of two owners', async () => {
    const { workspaceId, id: repositoryId } = await aRepository(database);
    const vault = new Vault(database, key());
    const userId = await aMember(workspaceId);
    const owner = { workspaceId, repositoryId: null, userId, name: 'KEY' };
    await database.transaction((tx) => vault.put(tx, owner, 'value'));
    const put = (over: object) => database.transaction((tx) => vault.put(tx, { ...owner, ...over }, 'value'));
    await expect(put({ repositoryId })).rejects.toThrow('secret_one_owner');
    const { workspaceId: elsewhere } = await aRepository(database);
    await expect(put({ workspaceId: elsewhere })).rejects.toThrow('secret_member');
    await database.query('delete from membership where user_id = $1', [userId]);
    expect(await vault.get(owner)).toBeNull();
    expect(await database.query('select 1 from secret where user_id = $1', [userId])).toEqual([]);
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
