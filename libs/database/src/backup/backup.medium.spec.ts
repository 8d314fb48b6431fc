import { Readable, Writable } from 'node:stream';
import { aPod, aRepository, aRun, aTask, onDatabase, testDatabase, type TestDatabase } from '@capstan/test-support';
import { Database, MIGRATIONS, dumpDatabase, loadDatabase, migrate, newId, type CopiedDatabase } from '../index.js';

/** A copy in memory. */
class Copy {
  readonly lines = new Map<string, Buffer>();
  database!: CopiedDatabase;

  static async of(url: string): Promise<Copy> {
    const copy = new Copy();
    copy.database = await dumpDatabase(url, (table) => {
      const chunks: Buffer[] = [];
      return new Writable({
        write: (chunk: Buffer, _encoding, done) => (chunks.push(chunk), done()),
        final: (done) => (copy.lines.set(table, Buffer.concat(chunks)), done()),
      });
    });
    return copy;
  }
  readonly open = (table: string): Readable => Readable.from([this.lines.get(table)!]);
  load(url: string, database = this.database): Promise<void> {
    return loadDatabase(url, database, { open: this.open });
  }
}

const servers: TestDatabase[] = [];
const emptyDatabase = async (): Promise<string> => {
  const server = await testDatabase();
  servers.push(server);
  return server.url;
};
const tablesIn = (url: string) =>
  onDatabase(
    url,
    async (client) => (await client.query(`select 1 from pg_tables where schemaname = 'public'`)).rowCount,
  );
let url: string;
let database: Database;

beforeAll(async () => {
  const server = await testDatabase({ migrate });
  servers.push(server);
  url = server.url;
  database = await Database.open({ url });
});
afterAll(async () => {
  await database.close();
  for (const server of servers) await server.close();
});

it('brings every row back as it was, also what is awkward to write, and binds tenants again', async () => {
  const repository = await aRepository(database);
  const body = 'tab\t back\\slash \\N \\. \r\n new line, ümläut 🧭, "quotes" \u0001';
  const { run } = await aRun(database, repository, { task: await aTask(database, repository, { body, title: '\\N' }) });
  await database.query(
    `insert into run_log (workspace_id, run_id, sequence, at, kind, text, data) values
       ($1, $2, 1, '2026-02-03T04:05:06.123456Z', 'text', $3, null), ($1, $2, 2, now(), 'text', '', 'null'), ($1, $2, 3, now(), 'text', 'x', $4)`,
    [run.workspaceId, run.id, body, JSON.stringify({ deep: [1.1, body] })],
  );
  await database.query(
    `insert into delivery (id, workspace_id, repository_id, forge, remote_id, event, headers, body) values ($1,$2,$3,'github','r','push','{}',$4)`,
    [newId(), repository.workspaceId, repository.id, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
  );
  await database.query(`update run set cost_usd = 12345678.123456`);
  const copy = await Copy.of(url);
  const restored = await emptyDatabase();
  await copy.load(restored);
  expect(await migrate(restored)).toEqual({ applied: [] });
  const again = await Copy.of(restored);
  expect(again.database).toEqual(copy.database);
  expect(copy.database.tables.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(10 + MIGRATIONS.length);
  const there = await Database.open({ url: restored });
  const foreign = await there.transaction((tx) => tx.query('select 1 from task'), { workspaceId: newId() });
  expect(foreign).toEqual([]);
  expect(await there.query('select * from run_log order by sequence')).toEqual(
    await database.query('select * from run_log order by sequence'),
  );
  await there.close();
});

it('is of one moment, whatever is written meanwhile', async () => {
  const repository = await aRepository(database);
  const pod = await aPod(database, repository);
  let over = false;
  const writer = (async () => {
    // A task and its first event are one transaction; the event's table is copied later than the task's.
    while (!over)
      await aRun(database, repository, { pod, state: 'finished', outcome: { kind: 'stopped', detail: '' } } as never);
  })();
  const copies = [await Copy.of(url), await Copy.of(url), await Copy.of(url)];
  over = true;
  await writer;
  const rows = ({ lines }: Copy, table: string, column: number) =>
    lines
      .get(table)!
      .toString('utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split('\t')[column]);
  for (const copy of copies) {
    const columns = copy.database.tables.find(({ name }) => name === 'task_event')!.columns;
    const events = new Set(rows(copy, 'task_event', columns.indexOf('task_id')));
    expect([...events].sort()).toEqual(rows(copy, 'task', 0).sort());
  }
  expect(new Set(copies.map(({ lines }) => rows({ lines } as Copy, 'task', 0).length)).size).toBeGreaterThan(1);
});

it('of an older schema is brought up to date afterwards', async () => {
  const old = await emptyDatabase();
  await onDatabase(old, async (client) => {
    await client.query('create table migration (name text primary key, applied_at timestamptz not null default now())');
    for (const statement of MIGRATIONS[0]!.statements()) await client.query(statement);
    await client.query('insert into migration (name) values ($1)', [MIGRATIONS[0]!.name]);
    await client.query(`insert into workspace (id, name, slug) values (gen_random_uuid(), 'Old', 'old')`);
  });
  const restored = await emptyDatabase();
  await (await Copy.of(old)).load(restored);
  expect((await migrate(restored)).applied).toEqual(MIGRATIONS.slice(1).map(({ name }) => name));
  const names = await onDatabase(restored, async (client) => (await client.query('select name from workspace')).rows);
  expect(names).toEqual([{ name: 'Old' }]);
});

describe('what can not be loaded leaves the database as empty as before', () => {
  let copy: Copy;
  beforeAll(async () => {
    await aRepository(database);
    copy = await Copy.of(url);
  });
  const altered = (table: string, change: (text: string) => string): Copy => {
    const other = Object.assign(new Copy(), { database: copy.database });
    for (const [name, lines] of copy.lines)
      other.lines.set(name, name === table ? Buffer.from(change(lines.toString('utf8'))) : lines);
    return other;
  };

  it.each([
    ['other rows', 'workspace', (text: string) => text.replace('Spec', 'Spek'), 'not those that were saved'],
    ['a row less', 'workspace', (text: string) => text.replace(/^.*\n/, ''), 'damaged'],
    ['a torn row', 'repository', (text: string) => text.slice(0, -20), 'Postgres refuses the rows of repository'],
  ])('%s', async (_what, table, change, words) => {
    const target = await emptyDatabase();
    await expect(altered(table, change).load(target)).rejects.toMatchObject({
      code: 'backup_damaged',
      message: expect.stringContaining(words) as unknown,
    });
    expect(await tablesIn(target)).toBe(0);
  });

  it('tables of another schema than it says', async () => {
    const target = await emptyDatabase();
    const tables = copy.database.tables.filter(({ name }) => name !== 'audit');
    await expect(copy.load(target, { ...copy.database, tables })).rejects.toMatchObject({ code: 'backup_damaged' });
    expect(await tablesIn(target)).toBe(0);
  });

  it('a schema that this build does not know', async () => {
    const target = await emptyDatabase();
    const migrations = [...copy.database.migrations, '9999-from-the-future'];
    await expect(copy.load(target, { ...copy.database, migrations })).rejects.toMatchObject({
      code: 'backup_newer',
      message: expect.stringContaining('9999-from-the-future') as unknown,
    });
    expect(await tablesIn(target)).toBe(0);
  });

  it('a database that has tables already', async () => {
    const target = await emptyDatabase();
    await onDatabase(target, (client) => client.query('create table precious (n int)'));
    await expect(copy.load(target)).rejects.toMatchObject({ code: 'restore_not_empty', field: 'CAPSTAN_DATABASE_URL' });
    expect(await tablesIn(target)).toBe(1);
  });
});
