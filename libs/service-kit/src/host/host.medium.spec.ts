import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Database, migrate } from '@capstan/database';
import { SYMPTOMS, TransientError, UserError } from '@capstan/domain';
import { repositoryChanged, taskCreated, type PayloadOf } from '@capstan/events';
import { Broker, Handles } from '@capstan/jetstream';
import { eventually, onDatabase, ownNats, testDatabase, testNats } from '@capstan/test-support';
import { Controller, Inject, Injectable, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { z } from 'zod';
import { startService } from '../boot/start-service.js';
import { CONFIG, IDENTITY, LOGGER, ON_EXHAUSTED, type Identity } from '../boot/tokens.js';
import { ConfigError, loadConfig } from '../config/config.js';
import { baseConfig } from '../config/base.js';
import { Loops } from '../resync/loops.js';
import type { Logger } from '../telemetry/logger.js';
import { testHost, type TestHost } from './host.fixture.js';
import { openHost, type Host, type ServiceMain } from './host.js';

type Changed = PayloadOf<typeof repositoryChanged>;

/** For `eventually`: what isn't there yet is a failure. */
function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not there yet');
  return value;
}

const passes: string[] = [];

@Injectable()
class Beat implements OnApplicationBootstrap {
  constructor(
    private readonly loops: Loops,
    @Inject(IDENTITY) private readonly identity: Identity,
  ) {}
  onApplicationBootstrap(): void {
    this.loops.every({ name: 'beat', everyMs: 10, pass: async () => void passes.push(this.identity.instance) });
  }
}

@Controller()
class Handlers {
  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: { readonly greeting: string },
  ) {}

  @Handles(repositoryChanged)
  async changed(payload: Changed): Promise<void> {
    if (payload.version === 13) throw new UserError('no such repository', { code: 'repository_not_found' });
    await this.database.query('select 1');
    this.logger.info({ connected: this.broker.status().connected }, `${this.config.greeting} ${payload.repositoryId}`);
  }
}

@Module({ controllers: [Handlers], providers: [Beat, { provide: ON_EXHAUSTED, useValue: async () => undefined }] })
class EchoModule {}

const echo: ServiceMain = {
  name: 'echo',
  config: baseConfig.extend({ ECHO_GREETING: z.string().default('hello').meta({ description: 'What it says' }) }),
  start: (host: Host) =>
    startService({
      name: 'echo',
      module: EchoModule,
      consumes: [repositoryChanged],
      config: {
        greeting: loadConfig(z.object({ ECHO_GREETING: z.string().default('hello') }), host.env).ECHO_GREETING,
      },
      host,
    }),
};

const get = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as { status: string; checks: unknown[] } };
};

let at: TestHost | undefined;
afterEach(async () => {
  await at?.close();
  at = undefined;
  passes.length = 0;
});

describe('a host', () => {
  it('runs a service that gets everything injected, and carries a trace from a commit to its handler', async () => {
    at = await testHost({ env: { ECHO_GREETING: 'ahoy' } });
    const { host, log } = at;
    const service = await host.start(echo);
    const payload: Changed = { workspaceId: randomUUID(), repositoryId: randomUUID(), version: 1 };
    await host.database.transaction((tx) => tx.emit(repositoryChanged, payload));
    const line = await eventually(() => there(log.find(({ message }) => message === `ahoy ${payload.repositoryId}`)));
    expect(line).toMatchObject({
      service: 'echo',
      connected: true,
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
    });
    expect(passes[0]).toMatch(/^echo-[0-9a-f]{8}$/);

    expect(await get(`${host.internalUrl}/livez`)).toMatchObject({ status: 200 });
    expect(await get(`${host.internalUrl}/readyz`)).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect((await service.health()).checks.map((check) => check.name).sort()).toEqual([
      'nats',
      'postgres',
      'schema',
      'service:echo',
    ]);
    const metrics = await (await fetch(`${host.internalUrl}/metrics`)).text();
    expect(metrics).toContain('capstan_events_handled_total{event="repository.changed",answer="ack"} 1');
    expect(metrics).toContain('capstan_events_published_total{event="repository.changed"} 1');

    await host.database.transaction((tx) => tx.emit(repositoryChanged, { ...payload, version: 13 }));
    await eventually(async () => (await host.metrics.render()).includes('event="repository.changed",answer="term"} 1'));
    expect(log.find(({ message }) => String(message).endsWith('no such repository'))).toMatchObject({
      level: 'warn',
      service: 'echo',
      err: { type: 'UserError', code: 'repository_not_found' },
    });

    await service.close(1_000);
    const ended = passes.length;
    await host.database.transaction((tx) => tx.emit(repositoryChanged, { ...payload, repositoryId: randomUUID() }));
    await eventually(async () => (await host.database.query('select 1 from outbox')).length === 0);
    expect(passes).toHaveLength(ended);
    expect(log.filter(({ message }) => String(message).startsWith('ahoy'))).toHaveLength(1);
  });

  it('refuses a service whose handlers are not what it declares, and goes on without it', async () => {
    at = await testHost();
    const { host } = at;
    const wrong: ServiceMain = {
      ...echo,
      start: () => startService({ name: 'wrong', module: EchoModule, consumes: [taskCreated], config: {}, host }),
    };
    await expect(host.start(wrong)).rejects.toMatchObject({
      code: 'handlers_mismatch',
      message: expect.stringContaining("wrong can't start: nothing handles task.created.v1") as unknown,
    });
    const after = passes.length;
    await host.start(echo);
    await eventually(() => passes.length > after);
    expect(host.services.map(({ name }) => name)).toEqual(['echo']);
  });

  it('tries a service again that begins just when Postgres goes, and says so meanwhile', async () => {
    at = await testHost();
    const { host } = at;
    let outages = 2;
    const service = await host.start({
      ...echo,
      start: async (parts) => {
        if (outages > 0) {
          if (outages < 2) {
            const { body } = await get(`${host.internalUrl}/healthz`);
            expect(body.checks).toContainEqual(
              expect.objectContaining({ name: 'service:echo', status: 'failing', code: 'database_unavailable' }),
            );
          }
          outages -= 1;
          throw new TransientError('the database system is starting up', { code: 'database_unavailable' });
        }
        return echo.start(parts);
      },
    });
    expect(service.name).toBe('echo');
    expect((await get(`${host.internalUrl}/readyz`)).status).toBe(200);
  });

  it('says that it stops while a service still finishes its work', async () => {
    at = await testHost();
    const { host } = at;
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    await host.start({
      ...echo,
      start: async (parts) => {
        const service = await echo.start(parts);
        return { ...service, close: (graceMs) => finished.then(() => service.close(graceMs)) };
      },
    });
    const closing = host.close();
    const { body } = await get(`${host.internalUrl}/healthz`);
    expect(body.checks).toContainEqual(expect.objectContaining({ name: 'stop', status: 'failing', code: 'stopping' }));
    finish();
    await closing;
  }, 20_000);

  it('lives through an outage of Postgres and of NATS, and says which it is', async () => {
    at = await testHost({ ownBroker: true });
    const { host, log, env } = at;
    await host.start(echo);
    await onDatabase(String(env['CAPSTAN_DATABASE_URL']), (client) =>
      client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
      ),
    );
    await at.nats?.kill();
    const degraded = await eventually(async () => {
      const report = await get(`${host.internalUrl}/healthz`);
      return there(report.body.status === 'degraded' ? report : undefined);
    });
    expect(degraded.status).toBe(200);
    expect(degraded.body.checks).toContainEqual(
      expect.objectContaining({
        name: 'nats',
        status: 'failing',
        code: 'nats_unavailable',
        remedy: SYMPTOMS.nats_unavailable.remedy,
      }),
    );
    await at.nats?.start();
    const payload: Changed = { workspaceId: randomUUID(), repositoryId: randomUUID(), version: 1 };
    await eventually(() => host.database.transaction((tx) => tx.emit(repositoryChanged, payload)).then(() => true));
    await eventually(() => log.some(({ message }) => message === `hello ${payload.repositoryId}`), 15_000);
    await eventually(async () => (await get(`${host.internalUrl}/healthz`)).body.status === 'ok');
  }, 40_000);
});

describe('opening a host', () => {
  const base = () => ({
    CAPSTAN_NATS_URL: testNats().url,
    CAPSTAN_NATS_PREFIX: testNats().prefix,
    CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    CAPSTAN_INTERNAL_PORT: '0',
  });

  it('finds the faults of all its services before anything opens', async () => {
    const needy: ServiceMain = { ...echo, config: baseConfig.extend({ NEEDED: z.string() }) };
    const opening = openHost({
      env: { ...base(), CAPSTAN_LOG_FORMAT: 'yaml' },
      services: [echo, needy],
      write: () => undefined,
    });
    const error = await opening.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code: 'config_invalid' });
    expect((error as ConfigError).faults.map(({ variable }) => variable).sort()).toEqual([
      'CAPSTAN_DATABASE_URL',
      'CAPSTAN_LOG_FORMAT',
      'NEEDED',
    ]);
  });

  it('waits for the schema and for NATS, saying so, alive but not ready', async () => {
    const database = await testDatabase();
    const nats = await ownNats();
    await nats.kill();
    const lines: string[] = [];
    const opening = openHost({
      env: { ...base(), CAPSTAN_NATS_URL: nats.url, CAPSTAN_DATABASE_URL: database.url },
      write: (line) => lines.push(line),
    });
    const said = (text: string) => there(lines.find((line) => line.includes(text)));
    const up = await eventually(() => said('health and metrics are up'));
    const { url } = JSON.parse(up) as { url: string };
    const schema = await eventually(() => said('waiting for the database schema'));
    expect(schema).toContain('capstan migrate');
    expect(schema).toContain('schema_too_old');
    expect((await get(`${url}/livez`)).status).toBe(200);
    const ready = await get(`${url}/readyz`);
    expect(ready).toMatchObject({ status: 503, body: { status: 'failing', checks: [{ code: 'schema_too_old' }] } });
    expect(JSON.stringify(ready.body)).toContain('waiting for the database schema');
    await migrate(database.url);
    await eventually(() => said('waiting for NATS'));
    await nats.start();
    const host = await opening;
    expect(await get(`${host.internalUrl}/readyz`)).toMatchObject({ status: 200 });
    await host.close();
    await nats.close();
    await database.close();
  }, 30_000);

  it('stops waiting when it is told to, and refuses what waiting never cures', async () => {
    const abort = new AbortController();
    const lines: string[] = [];
    const nowhere = 'postgres://u:p7Jq2kd9@127.0.0.1:1/x';
    const opening = openHost({
      env: { ...base(), CAPSTAN_DATABASE_URL: nowhere },
      write: (line) => lines.push(line),
      signal: abort.signal,
    });
    await eventually(() => lines.some((line) => line.includes('waiting for Postgres')));
    abort.abort(new Error('told to'));
    await expect(opening).rejects.toThrow('told to');
    expect(lines.join('')).not.toContain('p7Jq2kd9');

    const database = await testDatabase();
    const missing = new URL(database.url);
    missing.pathname = '/not_there';
    await expect(
      openHost({ env: { ...base(), CAPSTAN_DATABASE_URL: missing.href }, write: () => undefined }),
    ).rejects.toMatchObject({ code: 'postgres_refused' });
    await database.close();
  }, 20_000);

  it('says that it starts while nothing has answered yet', async () => {
    const silent = createTcpServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const sockets = new Set<Socket>();
    silent.on('connection', (socket) => sockets.add(socket));
    const abort = new AbortController();
    const lines: string[] = [];
    const opening = openHost({
      env: { ...base(), CAPSTAN_DATABASE_URL: `postgres://u:p@127.0.0.1:${(silent.address() as AddressInfo).port}/x` },
      write: (line) => lines.push(line),
      signal: abort.signal,
    });
    opening.catch(() => undefined); // it is awaited below
    const up = await eventually(() => there(lines.find((line) => line.includes('health and metrics are up'))));
    const { url } = JSON.parse(up) as { url: string };
    expect(await get(`${url}/healthz`)).toMatchObject({ status: 503, body: { checks: [{ code: 'starting' }] } });
    abort.abort(new Error('told to'));
    for (const socket of sockets) socket.destroy();
    await expect(opening).rejects.toThrow('told to');
    await new Promise((resolve) => silent.close(resolve));
  }, 20_000);

  it('names a port that somebody else has', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const { port } = squatter.address() as AddressInfo;
    const database = await testDatabase();
    const env = { ...base(), CAPSTAN_DATABASE_URL: database.url, CAPSTAN_INTERNAL_PORT: String(port) };
    await expect(openHost({ env, write: () => undefined })).rejects.toMatchObject({ code: 'port_taken' });
    await new Promise((resolve) => squatter.close(resolve));
    await database.close();
  }, 20_000);
});

describe('tracing', () => {
  it('sends spans to a collector over HTTP, with the handler in the trace of the commit', async () => {
    const bodies: Buffer[] = [];
    const collector = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url === '/v1/traces') bodies.push(Buffer.concat(chunks));
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const { port } = collector.address() as AddressInfo;
    at = await testHost({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` } });
    const { host, log } = at;
    await host.start(echo);
    const payload: Changed = { workspaceId: randomUUID(), repositoryId: randomUUID(), version: 1 };
    await host.database.transaction((tx) => tx.emit(repositoryChanged, payload));
    const line = await eventually(() => there(log.find(({ message }) => message === `hello ${payload.repositoryId}`)));
    await at.close();
    at = undefined;
    const sent = Buffer.concat(bodies);
    expect(sent.includes('handle repository.changed')).toBe(true);
    expect(sent.includes('outbox')).toBe(false); // loops are not recorded
    expect(sent.includes(Buffer.from(String(line['trace_id']), 'hex'))).toBe(true);
    await new Promise((resolve) => collector.close(resolve));
  }, 30_000);

  it('warns once about a collector that can not be reached, and works', async () => {
    at = await testHost({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' } });
    const { host, log } = at;
    await host.start(echo);
    const payload: Changed = { workspaceId: randomUUID(), repositoryId: randomUUID(), version: 1 };
    await host.database.transaction((tx) => tx.emit(repositoryChanged, payload));
    await eventually(() => log.some(({ message }) => message === `hello ${payload.repositoryId}`));
    await eventually(() => log.some(({ message }) => String(message).startsWith("traces can't be sent")), 20_000);
    const warned = log.filter(({ message }) => String(message).startsWith("traces can't be sent"));
    expect(warned).toMatchObject([{ code: 'telemetry_unreachable', remedy: SYMPTOMS.telemetry_unreachable.remedy }]);
  }, 40_000);
});
