import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TransientError, errorText } from '@capstan/domain';
import { connect } from '@nats-io/transport-node';
import { freePort } from './free-port.js';
import { findNats, type NatsBinaryOptions } from './nats-binary.js';
import { randomPassword } from './postgres.js';
import { commandLineOf, identify, isAlive, spawnDetached, stopProcess, tailOf } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';
import { readServerState, writePrivateFile, writeServerState } from './server-state.js';

const USER = 'capstan';
const READY_WITHIN_MS = 30_000;

export interface NatsOptions extends NatsBinaryOptions {
  readonly dataDir: string;
}

export interface RunningNats {
  readonly url: string;
  readonly process: ProcessIdentity;
  readonly started: 'fresh' | 'adopted';
}

/**
 * nats-server with JetStream in a session of its own, its streams under `dataDir`, on loopback only, with a random
 * password. One that runs already is adopted. Not by two processes at once on one directory.
 */
export async function startNats(options: NatsOptions): Promise<RunningNats> {
  const stateFile = join(options.dataDir, 'servers.json');
  const state = readServerState(stateFile);
  const password = state.nats?.password ?? randomPassword();
  const running = findRunning(options.dataDir);
  const port = state.nats?.port;
  if (running !== undefined) {
    if (port !== undefined && (await failureOf(urlOf(port, password))) === undefined) {
      writeServerState(stateFile, { ...state, nats: { process: running, port, password } });
      return { url: urlOf(port, password), process: running, started: 'adopted' };
    }
    // Half started or half stopped, or its password is lost: end it in order and start anew.
    await stopProcess(running, 'SIGTERM', 10_000, 'SIGKILL');
  }
  const binary = findNats(options);
  const logFile = join(options.dataDir, 'log', 'nats.log');
  for (let attempt = 1; ; attempt += 1) {
    const nextPort = await freePort(attempt === 1 ? port : undefined);
    const config = writeConfig(options.dataDir, nextPort, password);
    const started = await spawnDetached([binary, '-c', config], { logFile, cwd: options.dataDir, env: {} });
    const now = readServerState(stateFile);
    writeServerState(stateFile, { ...now, nats: { process: started, port: nextPort, password } });
    const failure = await untilReady(started, urlOf(nextPort, password));
    if (failure === undefined) return { url: urlOf(nextPort, password), process: started, started: 'fresh' };
    await stopProcess(started, 'SIGTERM', 5_000, 'SIGKILL');
    if (attempt === 3) {
      throw new TransientError(`nats-server doesn't start: ${failure}\n${tailOf(logFile)}`, {
        code: 'nats_start_failed',
        remedy: `See ${logFile}; CAPSTAN_NATS_URL names another server.`,
      });
    }
  }
}

/** Ends nats-server in order: streams are flushed to disk. */
export async function stopNats(dataDir: string): Promise<void> {
  const stateFile = join(dataDir, 'servers.json');
  const state = readServerState(stateFile);
  const running = findRunning(dataDir);
  if (running !== undefined && !(await stopProcess(running, 'SIGTERM', 30_000, 'SIGKILL'))) {
    throw new TransientError(`nats-server (process ${running.pid}) doesn't end`, { code: 'nats_stuck' });
  }
  if (state.nats?.process === undefined) return;
  const { process: _ended, ...kept } = state.nats;
  writeServerState(stateFile, { ...readServerState(stateFile), nats: kept });
}

/** The server of this very data directory, whoever started it; undefined when it doesn't run. */
function findRunning(dataDir: string): ProcessIdentity | undefined {
  const recorded = readServerState(join(dataDir, 'servers.json')).nats?.process;
  if (recorded !== undefined && isAlive(recorded)) return recorded;
  let pid: number;
  try {
    pid = Number(readFileSync(pidFileOf(dataDir), 'utf8').trim());
  } catch {
    return undefined; // it never ran, or stopped in order
  }
  const ours = Number.isSafeInteger(pid) && pid > 1 && commandLineOf(pid).includes(configFileOf(dataDir));
  return ours ? identify(pid) : undefined;
}

function configFileOf(dataDir: string): string {
  return join(dataDir, 'nats.conf');
}

function pidFileOf(dataDir: string): string {
  return join(dataDir, 'nats.pid');
}

function writeConfig(dataDir: string, port: number, password: string): string {
  const storeDir = join(dataDir, 'nats');
  mkdirSync(storeDir, { recursive: true, mode: 0o700 });
  const file = configFileOf(dataDir);
  writePrivateFile(
    file,
    [
      `listen: "127.0.0.1:${port}"`,
      'server_name: "capstan"',
      `pid_file: ${JSON.stringify(pidFileOf(dataDir))}`,
      'jetstream {',
      `  store_dir: ${JSON.stringify(storeDir)}`,
      '}',
      'authorization {',
      `  user: "${USER}"`,
      `  password: "${password}"`,
      '}',
      '',
    ].join('\n'),
  );
  return file;
}

async function untilReady(process_: ProcessIdentity, url: string): Promise<string | undefined> {
  const end = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const failure = await failureOf(url);
    if (failure === undefined) return undefined;
    if (!isAlive(process_)) return 'it ended at once';
    if (performance.now() > end) return `no answer within ${READY_WITHIN_MS / 1000} s: ${failure}`;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

async function failureOf(url: string): Promise<string | undefined> {
  try {
    const connection = await connect({ ...credentialsOf(url), reconnect: false, timeout: 5_000 });
    await connection.close();
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

/** What `connect` takes, from one URL or several with commas between; user and password are those of the first. */
export function credentialsOf(urls: string): { servers: string[]; user?: string; pass?: string } {
  const parsed = urls.split(',').map((url) => new URL(url.trim()));
  const servers = parsed.map(({ protocol, host }) => `${protocol}//${host}`);
  const first = parsed[0];
  if (first === undefined || first.username === '') return { servers };
  return { servers, user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) };
}

function urlOf(port: number, password: string): string {
  return `nats://${USER}:${password}@127.0.0.1:${port}`;
}
