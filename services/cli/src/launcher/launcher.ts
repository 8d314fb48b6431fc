import { homedir } from 'node:os';
import { join } from 'node:path';
import { TransientError, errorText } from '@capstan/domain';
import type { CliConfig } from '../cli.config.js';
import { findBubblewrap } from '../servers/bubblewrap-binary.js';
import { freePort } from '../servers/free-port.js';
import { isAlive, stopProcess } from '../servers/process-identity.js';
import { rotateLogs } from '../servers/log-rotation.js';
import { makePrivate } from '../servers/postgres.js';
import { startServers, type Servers } from '../servers/servers.js';
import { countAgents, type RunningAgents } from './agents.js';
import { DataDirectory, type LauncherState, type Secrets } from './data-directory.js';
import { HostProcess, type HostEvent } from './host-process.js';
import { refuseTakenPort } from './port-owner.js';

/** What the launcher tells whoever shows it. */
export type LauncherEvent =
  | { readonly kind: 'step'; readonly text: string; readonly ms: number }
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'ready'; readonly url: string; readonly setUpUrl: string | undefined; readonly ms: number }
  /** Agents run as this user; why. */
  | { readonly kind: 'not_isolated'; readonly why: string }
  | { readonly kind: 'repaired'; readonly servers: readonly string[] }
  | { readonly kind: 'agents'; readonly count: number; readonly until: Date | undefined }
  | { readonly kind: 'trouble'; readonly text: string }
  | HostEvent;

const REPAIR_EVERY_MS = 1_000;
const LOGS_EVERY_MS = 30_000;
const ORPHAN_ENDS_WITHIN_MS = 20_000;

/**
 * Runs Capstan on one machine: Postgres and NATS, the schema, and a host with the services. Killed at any moment, it
 * leaves everything so that the next one goes on where it was.
 */
export class Launcher {
  private readonly directory: DataDirectory;
  private readonly url: string;
  private state: LauncherState | undefined;
  private servers: Servers | undefined;
  private host: HostProcess | undefined;
  private repairs: NodeJS.Timeout | undefined;
  private rotations: NodeJS.Timeout | undefined;
  private logsStuck = false;
  private repairing: Promise<void> = Promise.resolve();
  private stopping: Promise<RunningAgents> | undefined;

  constructor(
    private readonly config: CliConfig,
    private readonly tell: (event: LauncherEvent) => void,
  ) {
    this.directory = new DataDirectory(config.dataDir);
    this.url = `http://127.0.0.1:${config.port}`;
  }

  /** Resolves when everything answers. @throws UserError when it can't be started as it is configured. */
  async start(): Promise<void> {
    const startedAt = performance.now();
    makePrivate(this.directory.path);
    this.state = await this.directory.claim(this.url);
    await this.endOrphanedHost();
    await refuseTakenPort(this.config.port);
    const secrets = this.directory.secrets();
    const servers = await this.timed(
      () => this.startServers(),
      (done) =>
        done.started === 'given'
          ? 'Postgres and NATS reached'
          : `${this.ownServers(['Postgres', 'NATS'])} ${SERVERS_STARTED[done.started]}`,
    );
    await this.timed(
      () => migrated(servers.databaseUrl),
      ({ applied }) => (applied.length === 0 ? 'Schema is up to date' : `Schema migrated (${applied.join(', ')})`),
    );
    this.directory.writeCliAccess({ url: this.url, token: secrets.cliToken });
    await this.timed(
      () => this.startHost(servers, secrets),
      () => `Services: ${this.config.services.join(', ')}`,
    );
    const setUpUrl = (await this.needsSetUp()) ? `${this.url}/setup#token=${secrets.setUpToken}` : undefined;
    this.tell({ kind: 'ready', url: this.url, setUpUrl, ms: performance.now() - startedAt });
    this.watchServers(servers);
    this.rotations = setInterval(() => this.rotateLogs(), LOGS_EVERY_MS);
  }

  /** Stops services, NATS and Postgres, in this order; agents go on. Safe to call at any time and more than once. */
  stop(): Promise<RunningAgents> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<RunningAgents> {
    clearInterval(this.repairs);
    clearInterval(this.rotations);
    await this.repairing;
    const agents = await this.agents();
    if (agents.count > 0) this.tell({ kind: 'agents', ...agents });
    if (this.host !== undefined)
      await this.timed(
        () => this.host!.stop(),
        () => 'Services stopped',
      );
    if (this.servers !== undefined && this.servers.started !== 'given') {
      await this.timed(
        () => this.servers!.stop(),
        () => `${this.ownServers(['NATS', 'Postgres'])} stopped`,
      );
    }
    if (this.state !== undefined) this.directory.release();
    return agents;
  }

  /** Those of the two that are Capstan's own, in this order. */
  private ownServers(names: readonly ('Postgres' | 'NATS')[]): string {
    const given = { Postgres: this.config.databaseUrl, NATS: this.config.natsUrl };
    return names.filter((name) => given[name] === undefined).join(' and ');
  }

  private async startServers(): Promise<Servers> {
    this.servers = await startServers({
      rootDir: this.config.rootDir,
      dataDir: this.directory.path,
      databaseUrl: this.config.databaseUrl,
      natsUrl: this.config.natsUrl,
      natsBinary: this.config.natsBinary,
      path: this.config.path,
      progress: (text) => this.tell({ kind: 'progress', text }),
    });
    return this.servers;
  }

  private async startHost(servers: Servers, secrets: Secrets): Promise<void> {
    this.host = new HostProcess({
      program: join(this.config.rootDir, 'services', 'cli', 'dist', 'host.js'),
      cwd: this.config.rootDir,
      environment: await this.hostEnvironment(servers, secrets),
      logFile: this.directory.logFile,
      started: (host) => this.remember(host),
      event: (event) => this.tell(event),
    });
    await this.host.start();
  }

  private async hostEnvironment(servers: Servers, secrets: Secrets): Promise<Record<string, string | undefined>> {
    const webhooksPort = this.config.webhooksPort ?? (await freePort(this.config.port + 1));
    const internalPort = this.config.internalPort ?? (await freePort(this.config.port + 2));
    const egressPort = await this.egressPort();
    const bubblewrap = await this.bubblewrap();
    this.note({
      internalUrl: `http://127.0.0.1:${internalPort}`,
      given: { postgres: addressOf(this.config.databaseUrl), nats: addressOf(this.config.natsUrl) },
    });
    return {
      // Nothing stands between the host and a Postgres of our own.
      ...(this.config.databaseUrl === undefined ? { CAPSTAN_DATABASE_PREPARED: 'true' } : {}),
      // On a person's own machine the log-ins of their agents' programs stand in for secrets; set it to nothing for none.
      CAPSTAN_LOGIN_HOME: homedir(),
      ...this.config.environment,
      CAPSTAN_DATA_DIR: this.directory.path,
      CAPSTAN_DATABASE_URL: servers.databaseUrl,
      CAPSTAN_NATS_URL: servers.natsUrl,
      CAPSTAN_ENCRYPTION_KEY: this.config.encryptionKey ?? secrets.encryptionKey,
      CAPSTAN_SETUP_TOKEN: secrets.setUpToken,
      CAPSTAN_CLI_TOKEN: secrets.cliToken,
      CAPSTAN_PORT: String(this.config.port),
      CAPSTAN_WEBHOOKS_PORT: String(webhooksPort),
      CAPSTAN_INTERNAL_PORT: String(internalPort),
      CAPSTAN_EGRESS_PORT: String(egressPort),
      CAPSTAN_EGRESS_URL: `http://127.0.0.1:${egressPort}`,
      ...(bubblewrap === undefined ? {} : { CAPSTAN_BWRAP_BIN: bubblewrap }),
      CAPSTAN_SERVICES: this.config.services.join(','),
    };
  }

  /** What pods are isolated with, unless the environment says otherwise. */
  private async bubblewrap(): Promise<string | undefined> {
    const { environment, rootDir, path } = this.config;
    if (environment['CAPSTAN_BWRAP_BIN']) return undefined;
    const isOff = environment['CAPSTAN_ISOLATION'] === 'off';
    const progress = (text: string): void => this.tell({ kind: 'progress', text });
    const found = isOff ? undefined : await findBubblewrap({ rootDir, path, progress });
    if (found === undefined)
      this.tell({ kind: 'not_isolated', why: isOff ? 'CAPSTAN_ISOLATION is off' : 'there is no bubblewrap here' });
    return found;
  }

  /** Agents outlive this process and know egress by its port: the one of the last start, wherever it is free. */
  private async egressPort(): Promise<number> {
    const port = this.config.egressPort ?? (await freePort(this.directory.egressPort() ?? this.config.port + 3));
    this.directory.writeEgressPort(port);
    return port;
  }

  /** A host that outlived a killed launcher notices that and stops; it may still be at it, or hang. */
  private async endOrphanedHost(): Promise<void> {
    const orphan = this.state?.host;
    if (orphan === undefined || !isAlive(orphan)) return;
    this.tell({ kind: 'progress', text: `waiting for the former host (process ${orphan.pid}) to end` });
    await stopProcess(orphan, 'SIGTERM', ORPHAN_ENDS_WITHIN_MS, 'SIGKILL');
  }

  private note(more: Partial<LauncherState>): void {
    if (this.state === undefined) return;
    this.state = { ...this.state, ...more };
    this.directory.writeLauncherState(this.state);
  }

  private remember(host: LauncherState['host']): void {
    if (this.state === undefined) return;
    const { host: _former, ...rest } = this.state;
    this.state = host === undefined ? rest : { ...rest, host };
    this.directory.writeLauncherState(this.state);
  }

  private watchServers(servers: Servers): void {
    let busy = false;
    this.repairs = setInterval(() => {
      if (busy) return;
      busy = true;
      this.repairing = servers
        .repair()
        .then((started) => {
          if (started.length > 0) this.tell({ kind: 'repaired', servers: started });
        })
        .catch((error: unknown) => this.tell({ kind: 'trouble', text: errorText(error) }))
        .finally(() => {
          busy = false;
        });
    }, REPAIR_EVERY_MS);
  }

  /** What is in the way, a full disk most likely, is said once; it is tried again all the same. */
  private rotateLogs(): void {
    try {
      rotateLogs(this.directory.logs);
      this.logsStuck = false;
    } catch (error) {
      if (!this.logsStuck) this.tell({ kind: 'trouble', text: `the logs can't be kept short: ${errorText(error)}` });
      this.logsStuck = true;
    }
  }

  private async needsSetUp(): Promise<boolean> {
    if (!this.config.services.includes('gateway')) return false;
    const answer = await fetch(`${this.url}/api/set-up`, { signal: AbortSignal.timeout(5_000) }).catch((cause) => {
      throw new TransientError(`the gateway doesn't answer on ${this.url}`, { code: 'gateway_unreachable', cause });
    });
    const body: unknown = await answer.json();
    return typeof body === 'object' && body !== null && 'needed' in body && body.needed === true;
  }

  private async agents(): Promise<RunningAgents> {
    const none = { count: 0, until: undefined };
    if (this.servers === undefined) return none;
    return countAgents(this.servers.databaseUrl).catch((error: unknown) => {
      this.tell({ kind: 'trouble', text: `can't count the running agents: ${errorText(error)}` });
      return none;
    });
  }

  private async timed<Value>(work: () => Promise<Value>, text: (value: Value) => string): Promise<Value> {
    const startedAt = performance.now();
    const value = await work();
    this.tell({ kind: 'step', text: text(value), ms: performance.now() - startedAt });
    return value;
  }
}

/** Where a given server is, without what opens it. */
function addressOf(url: string | undefined): string | undefined {
  return url?.replace(/\/\/[^@/]*@/g, '//').replace(/\?.*$/, '');
}

const SERVERS_STARTED = { fresh: 'started', adopted: 'taken over, running' } as const;

/** Loaded when it is needed: the other commands start in half the time without it. */
async function migrated(databaseUrl: string): Promise<{ readonly applied: readonly string[] }> {
  const { migrate } = await import('@capstan/database');
  return migrate(databaseUrl);
}
