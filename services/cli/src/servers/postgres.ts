import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TransientError, UserError, errorText } from '@capstan/domain';
import pg from 'pg';
import { freePort } from './free-port.js';
import { findPostgres, type PostgresBinaries } from './postgres-binaries.js';
import { commandLineOf, identify, isAlive, spawnDetached, stopProcess, tailOf } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';
import { readServerState, writeServerState } from './server-state.js';
import { unprivileged, type Unprivileged } from './unprivileged.js';

/** The role and the database that Capstan uses. */
const CAPSTAN = 'capstan';
const SUPERUSER = 'postgres';
const READY_WITHIN_MS = 60_000;

export interface PostgresOptions {
  readonly rootDir: string;
  readonly dataDir: string;
  /** False only where the data may be lost with the machine: tests. */
  readonly fsync: boolean;
  /** Whether Capstan's role may create databases: tests. */
  readonly mayCreateDatabases: boolean;
}

export interface RunningPostgres {
  /** For Capstan's own role, which owns its database and is no superuser. */
  readonly url: string;
  readonly process: ProcessIdentity;
  readonly started: 'fresh' | 'adopted';
}

interface Place {
  readonly cluster: string;
  readonly stateFile: string;
  readonly logFile: string;
}

/**
 * Postgres in a session of its own, with its data under `dataDir`, on loopback only, with random passwords.
 * One that runs already is adopted. Safe to call again at any time; not by two processes at once on one directory.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const place = placeOf(options.dataDir);
  const passwords = await knownPasswords(place, options);
  const running = findRunning(place);
  if (running !== undefined) {
    const port = portOf(place);
    if (port !== undefined && (await answers(port, passwords.superuserPassword))) {
      recordProcess(place, running, port);
      return { url: urlOf(port, passwords.password), process: running, started: 'adopted' };
    }
    // Half started or half stopped, or its passwords are lost: end it in order and start anew.
    await stopProcess(running, 'SIGINT', 20_000, 'SIGQUIT');
  }
  const { process: started, port } = await startFresh(place, options);
  await ensureRole(port, passwords, options.mayCreateDatabases);
  return { url: urlOf(port, passwords.password), process: started, started: 'fresh' };
}

/** Whether a data directory has a database. */
export function hasCluster(dataDir: string): boolean {
  return existsSync(join(placeOf(dataDir).cluster, 'PG_VERSION'));
}

/** Where the Postgres of a data directory answers, for Capstan's own role; undefined while none runs. Holds a password. */
export function runningPostgresUrl(dataDir: string): string | undefined {
  const place = placeOf(dataDir);
  const state = readServerState(place.stateFile).postgres;
  const port = findRunning(place) === undefined ? undefined : portOf(place);
  return state === undefined || port === undefined ? undefined : urlOf(port, state.password);
}

/** Ends Postgres by a fast shutdown: open transactions are rolled back, everything committed is on disk. */
export async function stopPostgres(dataDir: string): Promise<void> {
  const place = placeOf(dataDir);
  const running = findRunning(place);
  if (running !== undefined && !(await stopProcess(running, 'SIGINT', 60_000, 'SIGQUIT'))) {
    throw new TransientError(`Postgres (process ${running.pid}) doesn't end; its log is ${place.logFile}`, {
      code: 'postgres_stuck',
    });
  }
  const state = readServerState(place.stateFile);
  if (state.postgres?.process === undefined) return;
  const { process: _ended, ...kept } = state.postgres;
  writeServerState(place.stateFile, { ...state, postgres: kept });
}

function placeOf(dataDir: string): Place {
  return {
    cluster: join(dataDir, 'postgres'),
    stateFile: join(dataDir, 'servers.json'),
    logFile: join(dataDir, 'log', 'postgres.log'),
  };
}

interface Passwords {
  readonly superuserPassword: string;
  readonly password: string;
}

/** The passwords in the state file. Where the file is lost but the data is not, new ones are set in single-user mode. */
async function knownPasswords(place: Place, options: PostgresOptions): Promise<Passwords> {
  const state = readServerState(place.stateFile);
  if (state.postgres !== undefined) return state.postgres;
  const fresh = { superuserPassword: randomPassword(), password: randomPassword() };
  if (existsSync(join(place.cluster, 'PG_VERSION'))) {
    const running = findRunning(place);
    if (running !== undefined) await stopProcess(running, 'SIGINT', 20_000, 'SIGQUIT');
    const binaries = findPostgres(options.rootDir);
    const as = unprivileged(options.dataDir, binaries.postgres);
    runToEnd([...as.prefix, binaries.postgres, '--single', '-D', place.cluster, SUPERUSER], place, {
      input: `ALTER ROLE ${SUPERUSER} PASSWORD '${fresh.superuserPassword}';\n`,
    });
  }
  // Written before anything runs with them, so that a crash from here on leaves nothing that can't be adopted.
  writeServerState(place.stateFile, { ...state, postgres: fresh });
  return fresh;
}

async function startFresh(place: Place, options: PostgresOptions): Promise<{ process: ProcessIdentity; port: number }> {
  const binaries = findPostgres(options.rootDir);
  const as = unprivileged(options.dataDir, binaries.postgres);
  const state = readServerState(place.stateFile).postgres;
  if (state === undefined) throw new Error('the passwords are written before Postgres starts');
  if (!existsSync(join(place.cluster, 'PG_VERSION'))) {
    createCluster(place, binaries, as, state.superuserPassword, options.fsync);
  }
  refuseOtherMajor(place, binaries);
  for (let attempt = 1; ; attempt += 1) {
    removeStaleLock(place);
    const port = await freePort(attempt === 1 ? state.port : undefined);
    const command = [
      ...as.prefix,
      binaries.postgres,
      '-D',
      place.cluster,
      ...settings(port, options.fsync, binaries.major),
    ];
    const started = await spawnDetached(command, {
      logFile: place.logFile,
      cwd: place.cluster,
      env: bareEnvironment(),
    });
    recordProcess(place, started, port);
    const failure = await untilReady(started, port, state.superuserPassword);
    if (failure === undefined) return { process: started, port };
    await stopProcess(started, 'SIGINT', 5_000, 'SIGQUIT');
    // The backends of a killed postmaster hold its shared memory for a moment; a port may be taken in between.
    if (attempt === 5) {
      throw new TransientError(`Postgres doesn't start: ${failure}\n${tailOf(place.logFile)}`, {
        code: 'postgres_start_failed',
        remedy: `See ${place.logFile}; CAPSTAN_DATABASE_URL names another Postgres.`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200 * attempt));
  }
}

/** initdb into a directory beside, then one rename: a crash leaves no half-made cluster behind. */
function createCluster(
  place: Place,
  binaries: PostgresBinaries,
  as: Unprivileged,
  superuserPassword: string,
  fsync: boolean,
): void {
  const making = `${place.cluster}.making`;
  const passwordFile = `${place.cluster}.password`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { mode: 0o700 });
  as.give(making);
  writeFileSync(passwordFile, superuserPassword, { mode: 0o600 });
  as.give(passwordFile);
  try {
    const locale = binaries.major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : [];
    runToEnd(
      [
        ...[...as.prefix, binaries.initdb, '-D', making, '-U', SUPERUSER, `--pwfile=${passwordFile}`],
        ...['--auth=scram-sha-256', '--encoding=UTF8', '--no-locale', ...locale, ...(fsync ? [] : ['--no-sync'])],
      ],
      place,
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(making, place.cluster);
}

/** For one machine that mostly idles: short statements, nothing replicated, no process without work. */
function settings(port: number, fsync: boolean, major: number): string[] {
  const values = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: 200,
    password_encryption: 'scram-sha-256',
    jit: 'off',
    max_wal_senders: 0,
    max_logical_replication_workers: 0,
    checkpoint_timeout: '15min',
    ...(major >= 18 ? { io_method: 'sync' } : {}),
    ...(fsync ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** No PG… variable, proxy or secret of the terminal reaches the server. */
function bareEnvironment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

function refuseOtherMajor(place: Place, binaries: PostgresBinaries): void {
  const made = Number(readFileSync(join(place.cluster, 'PG_VERSION'), 'utf8').trim());
  if (made === binaries.major) return;
  throw new UserError(
    `${place.cluster} was made by Postgres ${made}, and what is installed here is ${binaries.major}`,
    {
      code: 'postgres_major_changed',
      remedy: `Install Postgres ${made} again to dump the data, or move the directory away to start with an empty database.`,
    },
  );
}

/** The postmaster of this very cluster, whoever started it; undefined when it doesn't run. */
function findRunning(place: Place): ProcessIdentity | undefined {
  const recorded = readServerState(place.stateFile).postgres?.process;
  if (recorded !== undefined && isAlive(recorded)) return recorded;
  const pid = Number(lockLines(place)[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1 || !commandLineOf(pid).includes(place.cluster)) return undefined;
  return identify(pid);
}

function portOf(place: Place): number | undefined {
  const port = Number(lockLines(place)[3]);
  return Number.isSafeInteger(port) && port > 0 ? port : readServerState(place.stateFile).postgres?.port;
}

function lockLines(place: Place): string[] {
  try {
    return readFileSync(join(place.cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return []; // not running, as far as the file tells
  }
}

/** Postgres believes a left-over lock file whenever any process has its number; by now we know that it isn't Postgres. */
function removeStaleLock(place: Place): void {
  if (findRunning(place) === undefined) rmSync(join(place.cluster, 'postmaster.pid'), { force: true });
}

function recordProcess(place: Place, process_: ProcessIdentity, port: number): void {
  const state = readServerState(place.stateFile);
  if (state.postgres === undefined) throw new Error('the passwords are written before Postgres starts');
  writeServerState(place.stateFile, { ...state, postgres: { ...state.postgres, process: process_, port } });
}

async function untilReady(process_: ProcessIdentity, port: number, password: string): Promise<string | undefined> {
  const end = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const failure = await connectFailure(port, password);
    if (failure === undefined) return undefined;
    if (!isAlive(process_)) return 'it ended at once';
    if (performance.now() > end) return `no answer within ${READY_WITHIN_MS / 1000} s: ${failure}`;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

async function answers(port: number, password: string): Promise<boolean> {
  return (await connectFailure(port, password)) === undefined;
}

async function connectFailure(port: number, password: string): Promise<string | undefined> {
  const client = superuserClient(port, password);
  try {
    await client.connect();
    await client.query('select 1');
    return undefined;
  } catch (error) {
    return errorText(error);
  } finally {
    await client.end().catch(() => undefined); // it never connected
  }
}

function superuserClient(port: number, password: string): pg.Client {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined); // a server that goes away is seen by the next query
  return client;
}

async function ensureRole(port: number, passwords: Passwords, mayCreateDatabases: boolean): Promise<void> {
  const client = superuserClient(port, passwords.superuserPassword);
  await client.connect();
  try {
    const role = await client.query('select 1 from pg_roles where rolname = $1', [CAPSTAN]);
    const verb = role.rowCount === 0 ? 'CREATE' : 'ALTER';
    const may = mayCreateDatabases ? 'CREATEDB' : 'NOCREATEDB';
    await client.query(
      `${verb} ROLE ${CAPSTAN} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE ${may} PASSWORD '${passwords.password}'`,
    );
    const database = await client.query('select 1 from pg_database where datname = $1', [CAPSTAN]);
    if (database.rowCount === 0) await client.query(`CREATE DATABASE ${CAPSTAN} OWNER ${CAPSTAN}`);
  } finally {
    await client.end();
  }
}

function runToEnd(command: readonly string[], place: Place, options: { readonly input?: string } = {}): void {
  const [program = '', ...args] = command;
  const done = spawnSync(program, args, {
    encoding: 'utf8',
    env: bareEnvironment(),
    cwd: dirname(place.cluster),
    input: options.input ?? '',
  });
  if (done.status === 0) return;
  const detail = (done.error?.message ?? [done.stdout, done.stderr].join('\n')).trim();
  throw new UserError(`${program} failed: ${detail.slice(-2000)}`, {
    code: 'postgres_init_failed',
  });
}

function urlOf(port: number, password: string): string {
  return `postgres://${CAPSTAN}:${password}@127.0.0.1:${port}/${CAPSTAN}`;
}

/** Letters and digits only: fits a URL, a configuration file and SQL without quoting. 192 bits. */
export function randomPassword(): string {
  return randomBytes(24).toString('hex');
}

/** Keeps a directory private that may have been made with a wider mode. */
export function makePrivate(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
}
