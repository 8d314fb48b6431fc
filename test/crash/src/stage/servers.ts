import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { eventually, plainEnvironment, ROOT } from '@capstan/test-support';
import { lastingPorts } from './ports.js';
import { isRunning, signalTree } from './processes.js';

/** The launcher's own module for Postgres and NATS, as it was built. */
interface ServersModule {
  startServers(options: { rootDir: string; dataDir: string; path: string }): Promise<{
    readonly databaseUrl: string;
    readonly natsUrl: string;
  }>;
  stopServers(dataDir: string): Promise<void>;
}

interface ServersFile {
  readonly postgres: { port: number; superuserPassword: string; process: { pid: number } };
  readonly nats: { port: number; password: string; process: { pid: number } };
}

/** Postgres or NATS: a process that can be stopped, killed and brought back at the same address, on the same data. */
export interface Server {
  readonly name: 'postgres' | 'nats';
  /** Of the main process; changes with each start. */
  readonly pid: number;
  /** Freezes it with all its processes; connections stay open and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL of all its processes; resolves when they are gone. */
  kill(): Promise<void>;
  /** Starts it at the same address when it doesn't run; resolves when it answers. */
  start(): Promise<void>;
  /** Forgets everything that it stored; only while it is down. NATS only. */
  wipe(): void;
  /** Runs `outage` alone: two outages of one server never overlap. */
  exclusively(outage: () => Promise<void>): Promise<void>;
}

/** No server is stopped for as long as this. */
const FROZEN_AT_MOST_MS = 60_000;

/** The servers of one stage. They live in sessions of their own: `close` ends them. */
export class Servers {
  readonly postgres: Server;
  readonly nats: Server;
  private readonly frozen = new Set<Server['name']>();
  private starting: Promise<void> = Promise.resolve();

  private constructor(
    private readonly dataDir: string,
    private readonly servers: ServersModule,
    readonly databaseUrl: string,
    readonly natsUrl: string,
  ) {
    this.postgres = this.server('postgres');
    this.nats = this.server('nats');
  }

  static async start(dataDir: string): Promise<Servers> {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const [postgres, nats] = await lastingPorts(2);
    const password = (): string => randomBytes(24).toString('hex');
    const places = {
      postgres: { port: postgres, superuserPassword: password(), password: password() },
      nats: { port: nats, password: password() },
    };
    writeFileSync(join(dataDir, 'servers.json'), JSON.stringify(places), { mode: 0o600 });
    const program = join(ROOT, 'services/cli/dist/servers/servers.js');
    const servers = (await import(pathToFileURL(program).href)) as ServersModule;
    const { databaseUrl, natsUrl } = await servers.startServers(optionsOf(dataDir));
    return new Servers(dataDir, servers, databaseUrl, natsUrl);
  }

  /** For the superuser, whom row-level security doesn't bind. */
  get superuserUrl(): string {
    const { port, superuserPassword } = this.file().postgres;
    return `postgres://postgres:${superuserPassword}@127.0.0.1:${port}/capstan`;
  }

  /** Brings the database to the newest schema, by the command that people use. */
  async migrate(): Promise<void> {
    const env = { ...plainEnvironment(), CAPSTAN_DATABASE_URL: this.databaseUrl };
    await promisify(execFile)(process.execPath, [join(ROOT, 'services/cli/dist/main.js'), 'migrate'], { env });
  }

  async close(): Promise<void> {
    this.postgres.thaw();
    this.nats.thaw();
    await this.servers.stopServers(this.dataDir);
  }

  private server(name: 'postgres' | 'nats'): Server {
    const pid = (): number => this.file()[name].process.pid;
    let busy: Promise<void> = Promise.resolve();
    return {
      name,
      get pid() {
        return pid();
      },
      freeze: () => {
        this.frozen.add(name);
        signalTree(pid(), 'SIGSTOP');
      },
      thaw: () => {
        signalTree(pid(), 'SIGCONT');
        this.frozen.delete(name);
      },
      kill: async () => {
        const dying = pid();
        signalTree(dying, 'SIGKILL');
        await eventually(() => !isRunning(dying));
      },
      start: async () => {
        await this.startWhatIsDown(name);
        await eventually(() => isRunning(pid()));
      },
      wipe: () => {
        if (name === 'postgres') throw new Error('Postgres is the truth: nobody wipes it');
        if (isRunning(pid())) throw new Error('wiped while it runs');
        rmSync(join(this.dataDir, 'nats'), { recursive: true, force: true });
      },
      exclusively: (outage) => {
        const mine = busy.then(outage);
        busy = mine.catch(() => undefined); // reported to its own caller
        return mine;
      },
    };
  }

  /**
   * Whatever runs is adopted, so this starts the one that is down, on the port that it had. One at a time, and not while
   * the other is stopped: the launcher would take that one for half dead, and replace it.
   */
  private startWhatIsDown(name: Server['name']): Promise<void> {
    const mine = this.starting.then(async () => {
      const other = name === 'postgres' ? 'nats' : 'postgres';
      await eventually(() => !this.frozen.has(other), FROZEN_AT_MOST_MS);
      const { databaseUrl, natsUrl } = await this.servers.startServers(optionsOf(this.dataDir));
      if (databaseUrl !== this.databaseUrl || natsUrl !== this.natsUrl)
        throw new Error(`${name} came back at another address: a stranger took its port meanwhile`);
    });
    this.starting = mine.catch(() => undefined); // reported to its own caller
    return mine;
  }

  private file(): ServersFile {
    return JSON.parse(readFileSync(join(this.dataDir, 'servers.json'), 'utf8')) as ServersFile;
  }
}

function optionsOf(dataDir: string): { rootDir: string; dataDir: string; path: string } {
  return { rootDir: ROOT, dataDir, path: '/usr/local/bin:/usr/bin:/bin' };
}
