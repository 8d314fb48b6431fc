import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Database, migrate } from '@capstan/database';
import { Vault } from '@capstan/service-kit';
import { aRepository, aRun, eventually, processesOf, testDatabase } from '@capstan/test-support';
import { create, extract } from 'tar';
import { cliConfig } from '../cli.config.js';
import { runCli } from '../commands.js';
import { DataDirectory } from '../launcher/data-directory.js';
import { identify } from '../servers/process-identity.js';
import { runningPostgresUrl, startPostgres, stopPostgres } from '../servers/postgres.js';
import type { Manifest } from './manifest.schema.js';

const dir = mkdtempSync(join(tmpdir(), 'capstan-backup-'));
const dataDir = join(dir, 'data');
const directory = new DataDirectory(dataDir);
const { rootDir } = cliConfig({});
const kept = join(dir, 'kept.tar.gz');
const keyless = join(dir, 'keyless.tar.gz');

/** One command, as a person calls it, on a data directory. */
async function capstan(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  let out = '';
  let err = '';
  const code = await runCli(
    [...words, '-o', 'json'],
    { out: (text) => (out += text), err: (text) => (err += text) },
    () => cliConfig({ CAPSTAN_DATA_DIR: dataDir, ...env }),
  );
  return { code, answer: JSON.parse(out || '{}') as Record<string, unknown> & { error?: { code: string } }, err };
}
const at = (name: string) => ({ CAPSTAN_DATA_DIR: join(dir, name) });
const restore = (name: string, file = kept, more: readonly string[] = [], env = {}) =>
  capstan(['restore', file, ...more], { ...at(name), ...env });

async function manifestOf(file: string): Promise<Manifest> {
  const into = mkdtempSync(join(dir, 'look-'));
  await extract({ file, cwd: into });
  return JSON.parse(readFileSync(join(into, 'manifest.json'), 'utf8')) as Manifest;
}
/** The same archive with something changed in it. */
async function changed(name: string, change: (directory: string) => void): Promise<string> {
  const into = mkdtempSync(join(dir, 'change-'));
  await extract({ file: kept, cwd: into });
  change(into);
  const file = join(dir, name);
  await create({ file, cwd: into, gzip: true, portable: true }, readdirSync(into).sort());
  return file;
}
/** What is beside the data directories: nothing that a failed command left. */
const leftovers = () => readdirSync(dir).filter((name) => /restoring|\.part$|^\./.test(name));

beforeAll(async () => {
  mkdirSync(dataDir, { mode: 0o700 });
  const { url } = await startPostgres({ rootDir, dataDir, fsync: false, mayCreateDatabases: false });
  await migrate(url);
  const database = await Database.open({ url });
  const repository = await aRepository(database);
  await aRun(database, repository, { state: 'running', taskState: 'running' } as never);
  const vault = new Vault(database, directory.secrets().encryptionKey);
  await vault.checkKey();
  const owner = { workspaceId: repository.workspaceId, repositoryId: null, name: 'GITHUB_TOKEN' };
  await database.transaction((tx) => vault.put(tx, owner, 'ghp_value'));
  await database.close();
  await stopPostgres(dataDir);
}, 60_000);
afterAll(() => {
  expect(processesOf(dir)).toEqual([]);
  rmSync(dir, { recursive: true, force: true });
});

it('saves and restores while Capstan is down, row for row, and leaves nothing running', async () => {
  const saved = await capstan(['backup', kept]);
  expect(saved).toMatchObject({ code: 0, answer: { file: kept, keys: true, agents: 1 } });
  expect(statSync(kept).mode & 0o777).toBe(0o600);
  expect(processesOf(dir)).toEqual([]);
  const restored = await restore('restored');
  expect(restored).toMatchObject({ code: 0, answer: { rows: saved.answer['rows'], migrated: [] } });
  expect(readFileSync(join(dir, 'restored/secrets.json'))).toEqual(readFileSync(join(dataDir, 'secrets.json')));
  expect(readdirSync(join(dir, 'restored')).sort()).toEqual(['log', 'postgres', 'secrets.json', 'servers.json']);
  expect(statSync(join(dir, 'restored')).mode & 0o777).toBe(0o700);
  expect(await capstan(['backup', join(dir, 'again.tar.gz')], at('restored'))).toMatchObject({ code: 0 });
  expect((await manifestOf(join(dir, 'again.tar.gz'))).tables).toEqual((await manifestOf(kept)).tables);
  expect(leftovers()).toEqual([]);
}, 90_000);

it('saves while Capstan is up, and lets it be', async () => {
  const { process: postgres } = await startPostgres({ rootDir, dataDir, fsync: false, mayCreateDatabases: false });
  const launcher = identify(process.pid)!;
  directory.writeLauncherState({ launcher, url: 'http://127.0.0.1:4400', startedAt: new Date().toISOString() });
  expect(await capstan(['backup', join(dir, 'up.tar.gz')])).toMatchObject({ code: 0 });
  expect(identify(postgres.pid)).toEqual(postgres);
  expect((await manifestOf(join(dir, 'up.tar.gz'))).tables).toEqual((await manifestOf(kept)).tables);
  expect(await restore('data')).toMatchObject({ code: 5, answer: { error: { code: 'already_running' } } });
  directory.release();
  await stopPostgres(dataDir);
}, 60_000);

describe('without keys', () => {
  it('holds none, and a restore wants the right one', async () => {
    expect(await capstan(['backup', keyless, '--without-keys'])).toMatchObject({ code: 0, answer: { keys: false } });
    const { encryptionKey } = directory.secrets();
    expect(gunzipSync(readFileSync(keyless)).includes(encryptionKey)).toBe(false);
    expect(gunzipSync(readFileSync(kept)).includes(encryptionKey)).toBe(true);
    expect(await restore('none', keyless)).toMatchObject({
      code: 5,
      answer: { error: { code: 'backup_keys_missing' } },
    });
    const wrong = { CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64') };
    expect(await restore('none', keyless, [], wrong)).toMatchObject({
      code: 5,
      answer: { error: { code: 'backup_key_wrong' } },
    });
    const noKey = join(dir, 'no-key');
    writeFileSync(noKey, 'short');
    expect(await restore('none', keyless, ['--keys', noKey])).toMatchObject({
      answer: { error: { code: 'encryption_key_invalid' } },
    });
    expect(existsSync(join(dir, 'none'))).toBe(false);
    expect(leftovers()).toEqual([]);
    expect(await restore('by-file', keyless, ['--keys', join(dataDir, 'secrets.json')])).toMatchObject({ code: 0 });
    expect(new DataDirectory(join(dir, 'by-file')).storedSecrets()).toEqual(directory.secrets());
    expect(await restore('by-key', keyless, [], { CAPSTAN_ENCRYPTION_KEY: encryptionKey })).toMatchObject({ code: 0 });
    expect(new DataDirectory(join(dir, 'by-key')).storedSecrets()).toMatchObject({ encryptionKey });
  }, 120_000);

  it('is what comes of a key that the data directory doesn’t know', async () => {
    const file = join(dataDir, 'secrets.json');
    copyFileSync(file, join(dir, 'secrets.kept'));
    rmSync(file);
    directory.secrets();
    const saved = await capstan(['backup', join(dir, 'foreign-key.tar.gz')]);
    copyFileSync(join(dir, 'secrets.kept'), file);
    expect(saved).toMatchObject({ code: 0, answer: { keys: false } });
    expect(saved.err).toContain('CAPSTAN_ENCRYPTION_KEY');
  }, 60_000);
});

describe('is refused, and changes nothing', () => {
  it('a backup over a file, and one of nothing', async () => {
    const before = readFileSync(kept);
    expect(await capstan(['backup', kept])).toMatchObject({ code: 5, answer: { error: { code: 'backup_exists' } } });
    expect(readFileSync(kept)).toEqual(before);
    const nothing = await capstan(['backup', join(dir, 'nothing.tar.gz')], at('nothing'));
    expect(nothing).toMatchObject({ code: 5, answer: { error: { code: 'nothing_to_back_up' } } });
    expect(await capstan(['backup', join(dir, 'no/where.tar.gz')])).toMatchObject({ code: 2 });
    expect(existsSync(join(dir, 'nothing'))).toBe(false);
  });

  it('a restore over a data directory, and of a file that is not there', async () => {
    expect(await restore('data')).toMatchObject({ code: 5, answer: { error: { code: 'restore_not_empty' } } });
    expect(directory.storedSecrets()).toBeDefined();
    expect(await restore('none', join(dir, 'no.tar.gz'))).toMatchObject({
      code: 3,
      answer: { error: { code: 'backup_not_found' } },
    });
  });

  it('an archive of a newer form, or with a newer schema', async () => {
    const rewrite = (more: object) => (into: string) => {
      const file = join(into, 'manifest.json');
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
      writeFileSync(file, JSON.stringify({ ...manifest, ...more }));
    };
    const { migrations } = await manifestOf(kept);
    for (const [name, more] of [
      ['newer-form', { format: 2, tables: 'elsewhere' }],
      ['newer-schema', { migrations: [...migrations, '9999-later'] }],
    ] as const) {
      const file = await changed(`${name}.tar.gz`, rewrite(more));
      expect(await restore('none', file)).toMatchObject({ code: 5, answer: { error: { code: 'backup_newer' } } });
    }
  });

  const flip = (offset: number) => (bytes: Buffer) => bytes.fill(bytes[offset]! ^ 0x40, offset, offset + 1);
  it.each<readonly [string, (bytes: Buffer, size: number) => Buffer]>([
    ['is empty', (bytes) => bytes.subarray(0, 0)],
    ['is no archive', () => Buffer.from('# notes\n'.repeat(100))],
    ['lost its end', (bytes) => bytes.subarray(0, -1_000)],
    ['lost its second half', (bytes, size) => bytes.subarray(0, size / 2)],
    ['has another bit at its start', (bytes) => flip(20)(bytes)],
    ['has another bit in its middle', (bytes, size) => flip(Math.floor(size / 2))(bytes)],
    ['has another bit near its end', (bytes, size) => flip(size - 12)(bytes)],
  ])('an archive that %s', async (what, damage) => {
    const file = join(dir, `${what.replaceAll(' ', '-')}.tar.gz`);
    const bytes = readFileSync(kept);
    writeFileSync(file, damage(Buffer.from(bytes), bytes.length));
    expect(await restore('none', file)).toMatchObject({ code: 5, answer: { error: { code: 'backup_damaged' } } });
    expect(existsSync(join(dir, 'none'))).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  it.each<readonly [string, (directory: string) => void]>([
    ['misses a table', (into) => rmSync(join(into, 'tables/task.copy'))],
    ['has other rows', (into) => writeFileSync(join(into, 'tables/workspace.copy'), '')],
    ['has other keys', (into) => writeFileSync(join(into, 'secrets.json'), JSON.stringify({ encryptionKey: 'x' }))],
    ['has no manifest', (into) => rmSync(join(into, 'manifest.json'))],
    [
      'has a link for a table',
      (into) => {
        rmSync(join(into, 'tables/audit.copy'));
        symlinkSync('/etc/passwd', join(into, 'tables/audit.copy'));
      },
    ],
  ])('an archive that %s', async (what, change) => {
    const file = await changed(`${what.replaceAll(' ', '-')}.tar.gz`, change);
    expect(await restore('none', file)).toMatchObject({ code: 5, answer: { error: { code: 'backup_damaged' } } });
    expect(existsSync(join(dir, 'none'))).toBe(false);
  });
});

it('takes nothing out of an archive but its own members', async () => {
  const file = await changed('with-more.tar.gz', (into) => {
    mkdirSync(join(into, 'pods'));
    writeFileSync(join(into, 'pods/evil'), 'x');
    writeFileSync(join(into, 'launcher.json'), '{}');
  });
  expect(await restore('clean', file)).toMatchObject({ code: 0 });
  expect(readdirSync(join(dir, 'clean')).sort()).toEqual(['log', 'postgres', 'secrets.json', 'servers.json']);
}, 60_000);

it('a Postgres of the team’s own is saved and filled just so', async () => {
  const [from, to] = [await testDatabase({ migrate }), await testDatabase()];
  const database = await Database.open({ url: from.url });
  await aRepository(database);
  await database.close();
  const file = join(dir, 'given.tar.gz');
  expect(await capstan(['backup', file], { ...at('given'), CAPSTAN_DATABASE_URL: from.url })).toMatchObject({
    code: 0,
  });
  const given = { CAPSTAN_DATABASE_URL: to.url };
  expect(await restore('given', file, [], given)).toMatchObject({ code: 0 });
  const again = join(dir, 'given-again.tar.gz');
  expect(await capstan(['backup', again], { ...at('given'), ...given })).toMatchObject({ code: 0 });
  expect((await manifestOf(again)).tables).toEqual((await manifestOf(file)).tables);
  expect(await restore('given-2', file, [], given)).toMatchObject({
    code: 5,
    answer: { error: { code: 'restore_not_empty' } },
  });
  await from.close();
  await to.close();
}, 60_000);

it('leaves nothing behind when it is interrupted', async () => {
  const restoring = spawn(process.execPath, [join(rootDir, 'services/cli/dist/main.js'), 'restore', kept], {
    env: { PATH: process.env['PATH'], ...at('interrupted') },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => restoring.once('exit', resolve));
  const making = await eventually(() => {
    const found = leftovers().find((name) => name.includes('interrupted-restoring'));
    if (found === undefined || runningPostgresUrl(join(dir, found)) === undefined) throw new Error('not at it yet');
    return found;
  }, 30_000);
  restoring.kill('SIGTERM');
  expect(await ended).toBe(1);
  expect([existsSync(join(dir, basename(making))), existsSync(join(dir, 'interrupted'))]).toEqual([false, false]);
  expect(processesOf(dir)).toEqual([]);
}, 60_000);
