import { isAlive, type ProcessIdentity } from './process-identity.js';
import { checkGivenNats, checkGivenPostgres } from './given-servers.js';
import { startNats, stopNats } from './nats.js';
import { makePrivate, startPostgres, stopPostgres } from './postgres.js';

export interface ServersOptions {
  /** The project's root: packages, scripts and .cache are found from here. */
  readonly rootDir: string;
  /** Absolute; made when missing, and kept at 0700. */
  readonly dataDir: string;
  /** False only where the data may be lost with the machine: tests. */
  readonly fsync?: boolean;
  readonly mayCreateDatabases?: boolean;
  /** `CAPSTAN_DATABASE_URL`: use this server and start none. */
  readonly databaseUrl?: string | undefined;
  /** `CAPSTAN_NATS_URL`: use this server and start none. */
  readonly natsUrl?: string | undefined;
  /** `NATS_SERVER_BIN`. */
  readonly natsBinary?: string | undefined;
  readonly path: string;
  readonly progress?: (line: string) => void;
}

export interface Servers {
  /** Holds a password: never print it. */
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** `given` when both come from the environment; `adopted` when none had to be started. */
  readonly started: 'fresh' | 'adopted' | 'given';
  /** Starts again, on the same port, what died since. @returns the names of what was started. */
  repair(): Promise<string[]>;
  /** Stops what Capstan started (or adopted): NATS, then Postgres. Given servers go on. */
  stop(): Promise<void>;
}

/**
 * Postgres and NATS for one data directory, ready to use when this returns. They outlive the caller unless it stops
 * them: that is what makes a crash of the launcher harmless.
 * @throws UserError when a given server can't be used or none can be started, with the remedy.
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  makePrivate(options.dataDir);
  const own = { postgres: options.databaseUrl === undefined, nats: options.natsUrl === undefined };
  const alive = new Map<string, ProcessIdentity>();
  const startOwnPostgres = async () => {
    const running = await startPostgres({
      rootDir: options.rootDir,
      dataDir: options.dataDir,
      fsync: options.fsync ?? true,
      mayCreateDatabases: options.mayCreateDatabases ?? false,
    });
    alive.set('Postgres', running.process);
    return running;
  };
  const startOwnNats = async () => {
    const running = await startNats({
      rootDir: options.rootDir,
      dataDir: options.dataDir,
      fromEnvironment: options.natsBinary,
      path: options.path,
      ...(options.progress === undefined ? {} : { progress: options.progress }),
    });
    alive.set('NATS', running.process);
    return running;
  };
  if (options.databaseUrl !== undefined) await checkGivenPostgres(options.databaseUrl);
  if (options.natsUrl !== undefined) await checkGivenNats(options.natsUrl);
  const postgres = own.postgres ? await startOwnPostgres() : undefined;
  const nats = own.nats ? await startOwnNats() : undefined;
  const manners = [postgres?.started, nats?.started].filter((manner) => manner !== undefined);
  return {
    databaseUrl: options.databaseUrl ?? postgres?.url ?? '',
    natsUrl: options.natsUrl ?? nats?.url ?? '',
    started: manners.length === 0 ? 'given' : manners.every((manner) => manner === 'adopted') ? 'adopted' : 'fresh',
    async repair() {
      const dead = [...alive].filter(([, process_]) => !isAlive(process_)).map(([name]) => name);
      if (dead.includes('Postgres')) await startOwnPostgres();
      if (dead.includes('NATS')) await startOwnNats();
      return dead;
    },
    stop: () => stopServers(options.dataDir),
  };
}

/** Stops the servers of a data directory, whoever started them: NATS, then Postgres. Nothing to stop is fine. */
export async function stopServers(dataDir: string): Promise<void> {
  await stopNats(dataDir);
  await stopPostgres(dataDir);
}
