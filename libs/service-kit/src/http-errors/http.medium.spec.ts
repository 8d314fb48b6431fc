import { UserError } from '@capstan/domain';
import { Database } from '@capstan/database';
import { onDatabase } from '@capstan/test-support';
import { Body, Controller, Get, Module, Post, type RawBodyRequest, Req } from '@nestjs/common';
import { z } from 'zod';
import { startService, type RunningService } from '../boot/start-service.js';
import { testHost, type TestHost } from '../host/host.fixture.js';

const Input = z.strictObject({ title: z.string().min(1), limits: z.object({ maxTurns: z.number() }).optional() });

@Controller()
class Things {
  constructor(private readonly database: Database) {}

  @Get('things/:id')
  async one(): Promise<never> {
    throw new UserError('no such thing', { code: 'thing_not_found', status: 404, remedy: 'Look for another.' });
  }

  @Get('bug')
  async bug(): Promise<never> {
    throw new TypeError('inside c4n4ry');
  }

  @Get('rows')
  async rows(): Promise<unknown> {
    return this.database.query('select 1 as one');
  }

  @Post('things')
  async create(@Body() body: unknown): Promise<unknown> {
    return Input.parse(body);
  }

  @Post('raw')
  async raw(@Req() request: RawBodyRequest<object>): Promise<{ raw: string | undefined }> {
    return { raw: request.rawBody?.toString('utf8') };
  }
}

@Module({ controllers: [Things] })
class ThingsModule {}

let at: TestHost;
let service: RunningService;

beforeAll(async () => {
  at = await testHost();
  const { host } = at;
  service = await host.start({
    name: 'things',
    config: z.object({}),
    start: () =>
      startService({
        name: 'things',
        module: ThingsModule,
        consumes: [],
        config: {},
        host,
        http: { port: 0, host: '127.0.0.1', bodyLimit: '10kb' },
      }),
  });
});
afterAll(() => at.close());

async function ask(path: string, init: RequestInit = {}) {
  const response = await fetch(`${service.url}${path}`, init);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}
const post = (path: string, body: string, type = 'application/json') =>
  ask(path, { method: 'POST', headers: { 'content-type': type }, body });

describe('over HTTP', () => {
  it.each([
    ['a UserError', () => ask('/things/7'), 404, 'thing_not_found'],
    ['an unknown path', () => ask('/nothing'), 404, 'not_found'],
    ['malformed JSON', () => post('/things', '{"title":'), 400, 'malformed_json'],
    ['JSON that is no object', () => post('/things', '7'), 422, 'invalid_input'],
    ['an unknown field', () => post('/things', '{"title":"x","colour":"red"}'), 422, 'invalid_input'],
    ['a body too large', () => post('/things', JSON.stringify({ title: 'x'.repeat(20_000) })), 413, 'too_large'],
    [
      'an unknown charset',
      () => post('/things', '{}', 'application/json; charset=klingon'),
      415,
      'unsupported_media_type',
    ],
    ['a path that does not decode', () => ask('/things/%E0%A4%A'), 400, 'bad_request'],
    ['a bug', () => ask('/bug'), 500, 'bug'],
  ])('%s is answered as a problem', async (_name, request, status, code) => {
    const answer = await request();
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(answer.body).toMatchObject({ status, code, requestId: answer.headers.get('x-request-id') });
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).not.toMatch(/c4n4ry|node_modules|\.ts:/);
  });

  it('fields are named by their path', async () => {
    const { body } = await post('/things', '{"title":"","limits":{"maxTurns":"many"}}');
    expect((body['issues'] as { field: string }[]).map(({ field }) => field).sort()).toEqual([
      'limits.maxTurns',
      'title',
    ]);
  });

  it('a sane request id is taken over, any other is replaced; the log line of the failure has it', async () => {
    const sane = await ask('/bug', { headers: { 'x-request-id': 'proxy-12345678' } });
    expect(sane.headers.get('x-request-id')).toBe('proxy-12345678');
    expect(at.log.find(({ request_id }) => request_id === 'proxy-12345678')).toMatchObject({
      level: 'error',
      service: 'things',
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
      err: { stack: expect.stringContaining('inside c4n4ry') as unknown },
    });
    const forged = await ask('/bug', { headers: { 'x-request-id': 'a b"<script>' } });
    expect(forged.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('the raw bytes of a body are there for signatures', async () => {
    const { body } = await post('/raw', '{ "a" :  1 }');
    expect(body).toEqual({ raw: '{ "a" :  1 }' });
  });

  it('Postgres out of reach is 503 with Retry-After, and works again by itself', async () => {
    const url = String(at.env['CAPSTAN_DATABASE_URL']);
    const name = new URL(url).pathname.slice(1);
    const admin = new URL(url);
    admin.pathname = '/postgres';
    await onDatabase(admin.href, async (client) => {
      await client.query(`alter database ${name} connection limit 0`);
      await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    });
    const away = await ask('/rows');
    await onDatabase(admin.href, async (client) => {
      await client.query(`alter database ${name} connection limit -1`);
    });
    expect(away).toMatchObject({ status: 503, body: { code: 'database_connections' } });
    expect(Number(away.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(JSON.stringify(away.body)).not.toContain(name);
    expect((await ask('/rows')).status).toBe(200);
  });
});
