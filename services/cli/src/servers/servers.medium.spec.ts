import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onDatabase } from '@capstan/test-support';
import { identify, isAlive, startTimeOf, stopProcess, waitUntilGone } from './process-identity.js';
import { readServerState, writeServerState } from './server-state.js';
import { startServers, stopServers, type Servers } from './servers.js';

const rootDir = join(import.meta.dirname, '../../../..');

describe('servers of a data directory', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'capstan-servers-'));
  const stateFile = join(dataDir, 'servers.json');
  const state = () => readServerState(stateFile);
  const start = (): Promise<Servers> =>
    startServers({ rootDir, dataDir, fsync: false, path: process.env['PATH'] ?? '' });
  const processes = () => {
    const { postgres, nats } = state();
    if (postgres?.process === undefined || nats?.process === undefined) throw new Error('both servers run');
    return { postgres: postgres.process, nats: nats.process };
  };
  const kill = async (...which: readonly { pid: number; startTime: string }[]) => {
    for (const each of which) process.kill(each.pid, 'SIGKILL');
    for (const each of which) expect(await waitUntilGone(each, 10_000)).toBe(true);
  };
  const read = (servers: Servers) =>
    onDatabase(
      servers.databaseUrl,
      async (client) => (await client.query<{ word: string }>('select word from kept')).rows,
    );

  afterAll(async () => {
    await stopServers(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  });

  it('starts both, private to this machine and user, each in a session of its own', async () => {
    const servers = await start();
    expect(servers.started).toBe('fresh');
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(stateFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataDir, 'nats.conf')).mode & 0o777).toBe(0o600);
    for (const { pid } of Object.values(processes())) {
      expect(execFileSync('ps', ['-o', 'sid=', '-p', String(pid)], { encoding: 'utf8' }).trim()).toBe(String(pid));
    }
    const role = await onDatabase(servers.databaseUrl, async (client) => {
      await client.query(`create table kept (word text)`);
      await client.query(`insert into kept values ('once')`);
      return client.query('select rolsuper, rolcreatedb, rolbypassrls from pg_roles where rolname = current_user');
    });
    expect(role.rows).toEqual([{ rolsuper: false, rolcreatedb: false, rolbypassrls: false }]);
  }, 60_000);

  it('refuses a wrong password, on Postgres and on NATS', async () => {
    const servers = await start();
    const wrong = (url: string) => url.replace(/:[0-9a-f]{48}@/, ':wrong@');
    await expect(onDatabase(wrong(servers.databaseUrl), async () => undefined)).rejects.toThrow(/password/);
    await expect(
      startServers({ rootDir, dataDir, path: '', databaseUrl: servers.databaseUrl, natsUrl: wrong(servers.natsUrl) }),
    ).rejects.toMatchObject({ code: 'server_unreachable', field: 'CAPSTAN_NATS_URL' });
  });

  it('adopts what runs, also when the starter died before it noted the process', async () => {
    const before = processes();
    expect((await start()).started).toBe('adopted');
    const { postgres, nats } = state();
    const { process: _postgres, ...notedPostgres } = postgres!;
    const { process: _nats, ...notedNats } = nats!;
    writeServerState(stateFile, { nats: notedNats, postgres: notedPostgres });
    expect((await start()).started).toBe('adopted');
    expect(processes()).toEqual(before);
  });

  it('finds everything again after both were killed', async () => {
    const before = processes();
    const urls = await start();
    await kill(before.postgres, before.nats);
    const servers = await start();
    expect(servers.started).toBe('fresh');
    expect([servers.databaseUrl, servers.natsUrl]).toEqual([urls.databaseUrl, urls.natsUrl]);
    expect(await read(servers)).toEqual([{ word: 'once' }]);
    expect(processes().postgres).not.toEqual(before.postgres);
  }, 60_000);

  it('starts again what dies under it', async () => {
    const servers = await start();
    await kill(processes().nats);
    expect(await servers.repair()).toEqual(['NATS']);
    await kill(processes().postgres);
    expect(await servers.repair()).toEqual(['Postgres']);
    expect(await servers.repair()).toEqual([]);
    expect(await read(servers)).toEqual([{ word: 'once' }]);
  }, 60_000);

  it("isn't fooled by a lock file that names a stranger's process", async () => {
    await stopServers(dataDir);
    const stranger = spawn('sleep', ['60']);
    writeFileSync(
      join(dataDir, 'postgres', 'postmaster.pid'),
      `${stranger.pid}\n${join(dataDir, 'postgres')}\n1\n1\n\n\n`,
    );
    const servers = await start();
    expect(await read(servers)).toEqual([{ word: 'once' }]);
    expect(stranger.exitCode).toBeNull();
    stranger.kill('SIGKILL');
  }, 60_000);

  it('gives new passwords, and keeps the data, when the state file is lost', async () => {
    const before = (await start()).databaseUrl;
    const orphans = processes();
    rmSync(stateFile);
    const servers = await start();
    expect(servers.databaseUrl).not.toBe(before);
    expect([isAlive(orphans.postgres), isAlive(orphans.nats)]).toEqual([false, false]);
    expect(await read(servers)).toEqual([{ word: 'once' }]);
  }, 60_000);

  it('leaves nothing behind when it stops', async () => {
    const servers = await start();
    const { postgres, nats } = processes();
    await servers.stop();
    expect([isAlive(postgres), isAlive(nats)]).toEqual([false, false]);
    await servers.stop();
    expect(state().postgres?.process).toBeUndefined();
    expect(readFileSync(join(dataDir, 'log', 'postgres.log'), 'utf8')).not.toMatch(/PANIC/);
  }, 60_000);
});

describe('process identity', () => {
  it('tells a process from another one and from its zombie', async () => {
    const child = spawn('sleep', ['60']);
    const identity = identify(child.pid!)!;
    expect(isAlive(identity)).toBe(true);
    expect(isAlive({ ...identity, startTime: '1' })).toBe(false);
    expect(await stopProcess({ ...identity, startTime: '1' }, 'SIGKILL', 10, 'SIGKILL')).toBe(true);
    expect(isAlive(identity)).toBe(true);
    expect(await stopProcess(identity, 'SIGTERM', 5_000, 'SIGKILL')).toBe(true);
    expect(startTimeOf(identity.pid)).toBeUndefined();
  });
});
