import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Database, migrate, type Repository, type Run } from '@capstan/database';
import { Metrics, Vault, openLogger, runToken } from '@capstan/service-kit';
import { aRepository, aRun, testDatabase } from '@capstan/test-support';
import { Egress } from './egress.js';
import { hostRules } from './forward/host-rule.js';
import type { Providers } from './model/provider.js';

/** Egress over a real database, with a table of names instead of the machine's name servers. */
export interface Stage {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly encryptionKey: string;
  readonly vault: Vault;
  readonly egress: Egress;
  readonly socket: string;
  /** What it logged. */
  readonly log: string[];
  /** Addresses by name; what isn't here has none. */
  readonly names: Map<string, readonly string[]>;
  token(run: Pick<Run, 'id'>): string;
  aRun(
    repository?: Partial<Repository>,
    run?: Partial<Run>,
  ): Promise<{ readonly run: Run; readonly repository: Repository }>;
  /** What a run's hosts are recorded with. */
  recorded(run: Pick<Run, 'id'>): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly privateHosts?: string;
  readonly statementTimeoutMs?: number;
  /** Where the providers of models are; as they really are unless told. */
  readonly providers?: Providers;
  /** Whose log-ins stand in where no key is set. */
  readonly logInHome?: string;
}

export async function aStage({
  privateHosts = '',
  providers,
  logInHome,
  ...patience
}: StageOptions = {}): Promise<Stage> {
  const server = await testDatabase({ migrate });
  const database = await Database.open({ url: server.url, ...patience });
  const encryptionKey = randomBytes(32).toString('base64');
  const directory = mkdtempSync(join(tmpdir(), 'egress-'));
  const socket = join(directory, 'egress.sock');
  const names = new Map<string, readonly string[]>();
  const log: string[] = [];
  const egress = new Egress({
    config: {
      host: '127.0.0.1',
      port: 0,
      socket,
      privateHosts: hostRules(privateHosts.split(',')).rules,
      encryptionKey,
      credentialCheckMs: 300_000,
      logInHome,
    },
    database,
    logger: openLogger({ format: 'json', level: 'debug', secrets: [], write: (line) => void log.push(line) }),
    metrics: new Metrics(),
    resolve: async (host) => names.get(host) ?? [],
    ...(providers && { providers }),
  });
  await egress.server.open();
  const stage: Stage = {
    ...{
      database,
      databaseUrl: server.url,
      encryptionKey,
      vault: new Vault(database, encryptionKey),
      egress,
      socket,
      log,
      names,
    },
    token: ({ id }) => runToken(encryptionKey, id),
    aRun: async (over = {}, columns = {}) => {
      const repository = await aRepository(database, over);
      const { run } = await aRun(database, repository, { state: 'running', taskState: 'running', ...columns });
      return { run, repository };
    },
    recorded: async ({ id }) => {
      await egress.record();
      return database.query('select * from run_network where run_id = $1 order by host, port, verdict', [id]);
    },
    close: async () => {
      await egress.close();
      await database.close();
      await server.close();
      rmSync(directory, { recursive: true });
    },
  };
  return stage;
}

/** A server of the outside on loopback. */
export interface Outside {
  readonly server: Server;
  readonly port: number;
  close(): Promise<void>;
}

export async function outside(listener: RequestListener, server: Server = createServer()): Promise<Outside> {
  server.on('request', listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Asks a proxy for a whole address, as `curl --proxy` does. */
export async function viaProxy(
  proxy: string | { readonly socketPath: string },
  url: string,
  token: string | null,
  options: { readonly method?: string; readonly body?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  const where = typeof proxy === 'string' ? { host: new URL(proxy).hostname, port: new URL(proxy).port } : proxy;
  return new Promise((resolve, reject) => {
    const asked = request({
      ...where,
      method: options.method ?? 'GET',
      path: url,
      agent: false,
      headers: { host: new URL(url).host, ...credentials(token), ...options.headers },
    });
    asked.on('error', reject);
    asked.on('response', (answer) =>
      text(answer).then((body) => resolve({ status: answer.statusCode!, headers: answer.headers, body }), reject),
    );
    asked.end(options.body);
  });
}

/** A tunnel, or what was answered instead. */
export async function tunnel(
  proxy: string,
  authority: string,
  token: string | null,
): Promise<{
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly socket: Socket;
  readonly head: Buffer;
}> {
  const { hostname, port } = new URL(proxy);
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ host: hostname, port, method: 'CONNECT', path: authority, agent: false },
      headers: { host: authority, 'user-agent': 'npm/11 spec', ...credentials(token) },
    });
    asked.on('error', reject);
    asked.on('connect', (answer, socket, head) =>
      resolve({ status: answer.statusCode!, headers: answer.headers, socket: socket as Socket, head }),
    );
    asked.end();
  });
}

/** Everything that a socket brings until its end. */
export async function allOf(socket: Socket): Promise<string> {
  socket.on('error', () => socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  return Buffer.concat(chunks).toString();
}

/** Sends bytes as they are and gives back all that comes. */
export async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  return allOf(socket);
}

function credentials(token: string | null): Record<string, string> {
  if (token === null) return {};
  return { 'proxy-authorization': `Basic ${Buffer.from(`run:${token}`).toString('base64')}` };
}
