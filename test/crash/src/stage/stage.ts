import { randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Repository } from '@capstan/api';
import { ROOT, startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import pg from 'pg';
import { ReplicaDoor } from './door.js';
import { ServiceHost } from './host.js';
import { lastingPorts } from './ports.js';
import { Servers, type Server } from './servers.js';

/** In the order of their start. */
export const SERVICES = [
  'egress',
  'scheduler',
  'pod-pool',
  'agent-runner',
  'pr-watcher',
  'ticket-sync',
  'webhooks',
  'gateway',
] as const;
export type Service = (typeof SERVICES)[number];

export const LABEL = 'capstan';
const STARTED_AT_ONCE = 4;
const READY_WITHIN_MS = 120_000;
/** How long a worktree outlives its task here: short, so that a run sees them go. */
export const WORKTREES_KEPT_MS = 20_000;

export interface Answer<T> {
  /** 0: no answer came. */
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** What somebody saw who looked on while it ran. */
export interface Complaint {
  /** Unix ms. */
  readonly at: number;
  readonly text: string;
}

export interface StageOptions {
  readonly dataDir: string;
  readonly replicas: number;
  readonly maxConcurrent: number;
  /** Program of the hosts; default: what was built. */
  readonly hostEntry?: string;
  /** Further variables of every host. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The hosts of a stage. */
export class Hosts {
  constructor(readonly all: readonly ServiceHost[]) {}

  get(service: Service, replica = 0): ServiceHost {
    const found = this.all.find((host) => host.service === service && host.replica === replica);
    if (found === undefined) throw new Error(`there is no host ${service}/${replica}`);
    return found;
  }

  /** The replicas of a service. */
  of(service: Service): readonly ServiceHost[] {
    return this.all.filter((host) => host.service === service);
  }
}

/**
 * A whole Capstan in processes that can each be killed, stopped and replaced: Postgres and NATS of its own, one host per
 * service and replica with a keeper, and a forge in this process.
 */
export class Stage {
  /** Program that hosts are started with from now on; a broken build replaces it. */
  hostEntry: string;
  /** Whoever stands before the replicas of the gateway. */
  readonly url: string;
  readonly complaints: Complaint[] = [];
  /** Runs whose agent or supervisor an action killed or crippled itself: they may be lived again. */
  readonly takenLives = new Set<string>();

  private constructor(
    readonly dataDir: string,
    readonly replicas: number,
    readonly double: GitHubDouble,
    private readonly servers: Servers,
    /** The superuser's, whom row-level security doesn't bind. Queries fail while Postgres is away. */
    readonly database: pg.Pool,
    readonly hosts: Hosts,
    private readonly doors: readonly ReplicaDoor[],
    private readonly secrets: Secrets,
    hostEntry: { value: string },
  ) {
    this.url = doors[0]!.url;
    this.hostEntry = hostEntry.value;
    Object.defineProperty(this, 'hostEntry', {
      get: () => hostEntry.value,
      set: (value: string) => (hostEntry.value = value),
    });
  }

  get postgres(): Server {
    return this.servers.postgres;
  }
  get nats(): Server {
    return this.servers.nats;
  }
  get natsUrl(): string {
    return this.servers.natsUrl;
  }
  get webhookSecret(): string {
    return this.secrets.webhookSecret;
  }
  /** Where Capstan keeps what outlives a process: pods, worktrees, mirrors. */
  get capstanDir(): string {
    return join(this.dataDir, 'capstan');
  }

  /** Starts everything on an empty directory; every host is ready when it resolves, and nobody is set up. */
  static async open(options: StageOptions): Promise<Stage> {
    const { dataDir, replicas } = options;
    const capstanDir = join(dataDir, 'capstan');
    mkdirSync(join(dataDir, 'log'), { recursive: true, mode: 0o700 });
    mkdirSync(join(capstanDir, 'pods'), { recursive: true, mode: 0o700 });
    const double = await startGitHubDouble({ dir: join(dataDir, 'forge'), validate: false, rateLimit: 10_000_000 });
    const servers = await Servers.start(join(dataDir, 'servers'));
    await servers.migrate();
    const database = new pg.Pool({ connectionString: servers.superuserUrl, max: 6, connectionTimeoutMillis: 5_000 });
    database.on('error', () => undefined); // a killed server ends idle connections; the next query says so
    const ports = await lastingPorts(replicas * (SERVICES.length + 3));
    const gateways = ports.splice(0, replicas);
    const webhooks = ports.splice(0, replicas);
    const egresses = ports.splice(0, replicas);
    const doors = await Promise.all([gateways, webhooks, egresses].map((each) => ReplicaDoor.open(each)));
    const secrets = makeSecrets();
    const entry = { value: options.hostEntry ?? join(ROOT, 'services/cli/dist/host.js') };
    const hosts = Array.from({ length: replicas }, (_, replica) =>
      SERVICES.map((service) => {
        const env = {
          ...environment(servers, secrets, options),
          CAPSTAN_DATA_DIR: dataDirOf(service, replica, capstanDir),
          CAPSTAN_SERVICES: service,
          CAPSTAN_PORT: String(gateways[replica]),
          CAPSTAN_WEBHOOKS_PORT: String(webhooks[replica]),
          CAPSTAN_EGRESS_PORT: String(egresses[replica]),
          CAPSTAN_EGRESS_SOCKET: join(dataDir, `egress-${replica}`, 'egress.sock'),
          CAPSTAN_EGRESS_URL: doors[2]!.url,
          CAPSTAN_INTERNAL_PORT: String(ports.pop()),
          CAPSTAN_PUBLIC_URL: doors[0]!.url,
          CAPSTAN_WEBHOOKS_URL: doors[1]!.url,
        };
        const logFile = join(dataDir, 'log', `${service}-${replica}.log`);
        return new ServiceHost({ service, replica, env, logFile, entry: () => entry.value });
      }),
    ).flat();
    const stage = new Stage(dataDir, replicas, double, servers, database, new Hosts(hosts), doors, secrets, entry);
    try {
      // Each costs about a second of a core to start: all at once would only wait for one another.
      for (let at = 0; at < hosts.length; at += STARTED_AT_ONCE) {
        const some = hosts.slice(at, at + STARTED_AT_ONCE);
        for (const host of some) host.start();
        for (const host of some) await host.untilReady(READY_WITHIN_MS);
      }
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  /** Something that must never be seen; it makes the run fail, which goes on meanwhile. */
  complain(text: string): void {
    this.complaints.push({ at: Date.now(), text });
  }

  /** Whatever an action left stopped or down goes on. */
  async mend(): Promise<void> {
    this.postgres.thaw();
    this.nats.thaw();
    await this.postgres.start();
    for (const host of this.hosts.all) host.kill('SIGCONT');
  }

  /** Makes the first user and workspace. */
  async setUp(): Promise<void> {
    const token = this.secrets.setUpToken;
    const user = { name: 'Crash', email: 'crash@example.org', password: randomBytes(18).toString('base64url') };
    const { status, body } = await this.call('POST', '/api/set-up', { token, ...user, workspaceName: 'Crash' });
    if (status >= 300) throw new Error(`set-up: ${status} ${JSON.stringify(body)}`);
  }

  /** A repository at the forge and in Capstan, with a webhook to Capstan. */
  async addRepository(
    fullName: string,
    files: Readonly<Record<string, string>>,
    settings: Readonly<Record<string, unknown>>,
  ): Promise<Repository> {
    await this.double.createRepository(fullName, { files });
    const { status, body } = await this.call<Repository>('POST', '/api/repositories', {
      fullName,
      apiUrl: this.double.apiUrl,
      token: this.double.createToken({ login: 'capstan-bot', permissions: 'write' }),
      webhookSecret: this.webhookSecret,
      label: LABEL,
      ...settings,
    });
    if (status >= 300) throw new Error(`repository ${fullName}: ${status} ${JSON.stringify(body)}`);
    const url = `${this.url}/hooks/github/${body.id}`;
    this.double.createWebhook(fullName, { url, secret: this.webhookSecret, events: ['*'] });
    return body;
  }

  /** One REST call as the first user, through the door before the gateways. Never throws for what was answered. */
  async call<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
    withinMs = 30_000,
  ): Promise<Answer<T>> {
    try {
      const response = await fetch(this.url + path, {
        method,
        signal: AbortSignal.timeout(withinMs),
        headers: {
          authorization: `Bearer ${this.secrets.cliToken}`,
          origin: this.url,
          connection: 'close',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: parsed(text) as T };
    } catch (error) {
      const why = error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : String(error);
      return { status: 0, headers: new Headers(), body: why as T };
    }
  }

  /** Ends every process but agents. @returns the names of hosts that had to be killed. */
  async close(): Promise<readonly string[]> {
    this.postgres.thaw();
    this.nats.thaw();
    const closed = await Promise.all(this.hosts.all.map(async (host) => ({ host, ok: await host.close() })));
    await this.database.end();
    await this.servers.close();
    await this.double.close();
    for (const door of this.doors) await door.close();
    return closed.filter(({ ok }) => !ok).map(({ host }) => host.name);
  }
}

interface Secrets {
  readonly setUpToken: string;
  readonly cliToken: string;
  readonly encryptionKey: string;
  readonly webhookSecret: string;
}

function makeSecrets(): Secrets {
  return {
    setUpToken: randomBytes(24).toString('base64url'),
    cliToken: `capstan_${randomBytes(24).toString('base64url')}`,
    encryptionKey: randomBytes(32).toString('base64'),
    webhookSecret: randomBytes(24).toString('hex'),
  };
}

function environment(servers: Servers, secrets: Secrets, options: StageOptions): Record<string, string> {
  return {
    CAPSTAN_DATABASE_URL: servers.databaseUrl,
    CAPSTAN_DATABASE_POOL_SIZE: '8',
    CAPSTAN_NATS_URL: servers.natsUrl,
    CAPSTAN_ENCRYPTION_KEY: secrets.encryptionKey,
    CAPSTAN_SETUP_TOKEN: secrets.setUpToken,
    CAPSTAN_CLI_TOKEN: secrets.cliToken,
    CAPSTAN_STRICT_ANSWERS: 'true',
    // The agents leave word outside of their worktrees for the auditor.
    CAPSTAN_ISOLATION: 'off',
    CAPSTAN_MAX_CONCURRENT: String(options.maxConcurrent),
    CAPSTAN_PR_WATCH_INTERVAL_MS: '3000',
    CAPSTAN_TICKET_POLL_INTERVAL_MS: '3000',
    CAPSTAN_WORKTREE_ENDED_MS: String(WORKTREES_KEPT_MS),
    ...options.env,
  };
}

/**
 * Pods belong to the machine, so all share them; a mirror belongs to a replica, so that each further pr-watcher has a
 * directory of its own that holds the same pods.
 */
function dataDirOf(service: Service, replica: number, capstanDir: string): string {
  if (service !== 'pr-watcher' || replica === 0) return capstanDir;
  const own = `${capstanDir}-${replica}`;
  mkdirSync(own, { recursive: true, mode: 0o700 });
  symlinkSync(join(capstanDir, 'pods'), join(own, 'pods'));
  return own;
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text; // no JSON: shown as it is
  }
}
