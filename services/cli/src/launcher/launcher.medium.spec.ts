import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@capstan/test-support';
import { freePort } from '../servers/free-port.js';
import { isAlive, type ProcessIdentity } from '../servers/process-identity.js';
import { readServerState } from '../servers/server-state.js';
import { DataDirectory } from './data-directory.js';

/** The built command, as a person runs it: `npm test` builds before it tests. */
const program = join(import.meta.dirname, '../../dist/main.js');

describe('capstan up', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'capstan-launcher-'));
  const directory = new DataDirectory(dataDir);
  let port: number;
  const started: ChildProcess[] = [];

  const capstan = (...words: string[]) => {
    const child = spawn(process.execPath, [program, ...words], {
      env: {
        PATH: process.env['PATH'],
        CAPSTAN_DATA_DIR: dataDir,
        CAPSTAN_PORT: String(port),
        CAPSTAN_SERVICES: 'scheduler',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    started.push(child);
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const code = new Promise<number | null>((resolve) => child.once('close', resolve));
    const events = () =>
      out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { event?: string });
    return { child, code, events, text: () => out, complaints: () => err };
  };
  const up = async () => {
    const running = capstan('up', '-o', 'json');
    await eventually(() => {
      if (running.child.exitCode !== null) throw new Error(`ended: ${running.text()} ${running.complaints()}`);
      return running.events().some(({ event, ...rest }) => event === 'ready' && 'url' in rest);
    }, 60_000);
    return running;
  };
  const servers = (): ProcessIdentity[] => {
    const { postgres, nats } = readServerState(join(dataDir, 'servers.json'));
    return [postgres?.process, nats?.process].filter((each) => each !== undefined);
  };
  const gone = (process_: ProcessIdentity | undefined) =>
    eventually(() => process_ === undefined || !isAlive(process_), 20_000);
  const kill = async (...which: (ProcessIdentity | undefined)[]) => {
    for (const each of which) process.kill(each!.pid, 'SIGKILL');
    for (const each of which) await gone(each);
  };

  beforeAll(async () => {
    port = await freePort();
  });
  afterAll(async () => {
    await capstan('down').code;
    for (const child of started) child.kill('SIGKILL');
    rmSync(dataDir, { recursive: true, force: true });
  }, 60_000);

  it('runs servers and host until Ctrl-C, which reaches none of them', async () => {
    const running = await up();
    const { host, launcher } = directory.launcherState()!;
    expect(launcher.pid).toBe(running.child.pid);
    const all = [host!, ...servers()];
    expect(all).toHaveLength(3);
    expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600);
    expect(await capstan('up').code).toBe(5);
    process.kill(-running.child.pid!, 'SIGINT');
    expect(await running.code).toBe(0);
    const steps = running.events().flatMap((event) => ('text' in event ? [event.text] : []));
    expect(steps.slice(-2)).toEqual(['Services stopped', 'NATS and Postgres stopped']);
    for (const each of all) expect(isAlive(each)).toBe(false);
    expect(readFileSync(join(dataDir, 'log', 'postgres.log'), 'utf8')).not.toMatch(/received immediate|PANIC/);
  }, 90_000);

  it('goes on where a launcher was killed: its host ends by itself, the servers are taken over', async () => {
    await up();
    const { host, launcher } = directory.launcherState()!;
    const before = servers();
    await kill(launcher);
    await gone(host);
    expect(before.every(isAlive)).toBe(true);
    const running = await up();
    expect(servers()).toEqual(before);
    running.child.kill('SIGTERM');
    expect(await running.code).toBe(0);
  }, 90_000);

  it('goes on where everything was killed at once', async () => {
    await up();
    const { host, launcher } = directory.launcherState()!;
    const secrets = readFileSync(join(dataDir, 'secrets.json'), 'utf8');
    await kill(launcher, host, ...servers());
    await up();
    expect(readFileSync(join(dataDir, 'secrets.json'), 'utf8')).toBe(secrets);
    expect(await capstan('down').code).toBe(0);
    expect(existsSync(join(dataDir, 'launcher.json'))).toBe(false);
    expect(servers()).toEqual([]);
  }, 90_000);

  it('starts a host and a server again that die under it', async () => {
    const running = await up();
    const { host } = directory.launcherState()!;
    const nats = servers()[1];
    await kill(host, nats);
    await eventually(() => {
      const now = directory.launcherState()?.host;
      return now !== undefined && now.pid !== host!.pid && running.events().some(({ event }) => event === 'repaired');
    }, 20_000);
    await eventually(
      () => running.events().some((event) => event.event === 'ready' && 'restarts' in event && event.restarts === 1),
      30_000,
    );
    running.child.kill('SIGTERM');
    expect(await running.code).toBe(0);
  }, 90_000);

  it('names who has its port, and leaves nothing running', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
    const refused = capstan('up');
    expect(await refused.code).toBe(5);
    expect(refused.complaints()).toMatch(new RegExp(`port ${port} is taken by process ${process.pid} `));
    expect(refused.complaints()).toMatch(/CAPSTAN_PORT=/);
    await new Promise((resolve) => squatter.close(resolve));
    expect(servers()).toEqual([]);
  }, 30_000);

  it('says how it is: 4 when nothing answers', async () => {
    const status = capstan('status', '-o', 'json');
    expect(await status.code).toBe(4);
    expect(JSON.parse(status.text())).toMatchObject({ dataDir, url: null });
  });

  it('names every fault of a configuration at once, the launcher’s and the services’, and starts nothing', () => {
    const fresh = join(dataDir, 'refused');
    const { status, stderr } = spawnSync(process.execPath, [program, 'up'], {
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        CAPSTAN_DATA_DIR: fresh,
        CAPSTAN_PORT: 'x',
        CAPSTAN_SERVICES: 'sceduler',
        CAPSTAN_LOG_FORMAT: 'xml',
        CAPSTAN_MAX_CONCURRENT: 'many',
      },
    });
    expect(status).toBe(5);
    expect(stderr).toContain('unsupported CAPSTAN_PORT "x"; expected a port from 1 to 65535');
    expect(stderr).toContain('unsupported CAPSTAN_SERVICES "sceduler"; expected a comma-separated list of scheduler');
    expect(stderr).toContain('unsupported CAPSTAN_LOG_FORMAT "xml"; expected json or text');
    expect(stderr).toContain('unsupported CAPSTAN_MAX_CONCURRENT "many"; expected a whole number');
    expect(existsSync(fresh)).toBe(false);
  });
});
