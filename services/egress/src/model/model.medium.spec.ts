import { request } from 'node:http';
import type { Run } from '@capstan/database';
import { eventually } from '@capstan/test-support';
import { aStage, type Stage } from '../egress.fixture.js';
import { ProviderDouble, answerEvents, answerJson, ask, sse, type Script } from './provider.fixture.js';

jest.setTimeout(60_000);

let stage: Stage;
let provider: ProviderDouble;

beforeAll(async () => {
  stage = await aStage();
  provider = await ProviderDouble.start();
});
afterAll(async () => {
  await stage.close();
  await provider.place.close();
});
beforeEach(() => {
  provider.asked.length = 0;
});

type Secrets = Record<string, string>;
/** A run whose repository has secrets, at the provider's double. */
async function aRun(secrets: Secrets, { path = '', ...columns }: Partial<Run> & { path?: string } = {}): Promise<Run> {
  const agent = { agent: 'command', baseUrl: `${provider.url}${path}` };
  const { run, repository } = await stage.aRun({}, { agent, ...columns });
  await stage.database.transaction(async (tx) => {
    for (const [name, value] of Object.entries(secrets))
      await stage.vault.put(tx, { workspaceId: repository.workspaceId, repositoryId: repository.id, name }, value);
  });
  return run;
}
const door = (path: string) => `${stage.egress.server.url}/model/${path}`;
const anthropic = (run: Run, body?: string | Buffer) =>
  ask(
    door('anthropic/v1/messages?beta=true'),
    { 'x-api-key': stage.token(run), 'anthropic-version': '2023-06-01' },
    body,
  );
const openai = (run: Run, body?: string) =>
  ask(door('openai/responses'), { authorization: `Bearer ${stage.token(run)}` }, body);
const used = async (run: Run) => {
  await stage.egress.record();
  return stage.database.query('select * from model_use where run_id = $1 order by provider, model', [run.id]);
};
const answered = (model: string, usage: object): Script => answerJson(200, { type: 'message', model, usage });
/** Answers by the key that it is asked with. */
const byKey =
  (scripts: Record<string, Script>): Script =>
  (asked, response) =>
    scripts[String(asked.headers['x-api-key'] ?? asked.headers.authorization?.replace('Bearer ', ''))]!(
      asked,
      response,
    );

describe('a call', () => {
  it('goes to the provider with the real key, and without anything of the agent’s that stood for it', async () => {
    provider.script = answered('claude-x', { input_tokens: 1, output_tokens: 2 });
    const run = await aRun({ ANTHROPIC_API_KEY: 'sk-ant-real' });
    const token = stage.token(run);
    const { status, body } = await ask(
      door(`anthropic/v1/messages?beta=true&key=${token}`),
      {
        'x-api-key': token,
        authorization: `Bearer ${token}`,
        'x-goog-api-key': token,
        cookie: `a=${token}`,
        'anthropic-beta': 'one',
        'accept-encoding': 'gzip, br',
      },
      '{"model":"claude-x"}',
    );
    expect({ status, body: JSON.parse(body) as unknown }).toMatchObject({ status: 200, body: { model: 'claude-x' } });
    const [asked] = provider.asked;
    expect(asked).toMatchObject({ method: 'POST', url: '/v1/messages?beta=true', body: '{"model":"claude-x"}' });
    expect(asked!.headers).toMatchObject({
      'x-api-key': 'sk-ant-real',
      'anthropic-beta': 'one',
      'accept-encoding': 'identity',
      host: `127.0.0.1:${provider.place.port}`,
    });
    expect(JSON.stringify(asked)).not.toContain(token);
    expect(asked!.headers.authorization).toBeUndefined();
  });

  it('with an account’s token says so to Anthropic', async () => {
    provider.script = answered('claude-x', {});
    const run = await aRun({
      ANTHROPIC_API_KEY: 'key',
      CLAUDE_CODE_OAUTH_TOKEN: 'oauth',
      CLAUDE_AUTH_MODE: 'oauth-token',
    });
    await ask(door('anthropic/v1/messages'), { 'x-api-key': stage.token(run), 'anthropic-beta': 'one,two' });
    expect(provider.asked[0]!.headers).toMatchObject({
      authorization: 'Bearer oauth',
      'anthropic-beta': 'one,two,oauth-2025-04-20',
    });
    expect(provider.asked[0]!.headers['x-api-key']).toBeUndefined();
  });

  it.each([
    ['openai/responses', 'authorization', '', '/v1', '/v1/responses', 'authorization', 'Bearer real'],
    ['openai/v1/chat/completions', 'authorization', '', '/v1', '/v1/chat/completions', 'authorization', 'Bearer real'],
    [
      'gemini/v1beta/models/g:streamGenerateContent?alt=sse',
      'x-goog-api-key',
      '',
      '',
      '/v1beta/models/g:streamGenerateContent?alt=sse',
      'x-goog-api-key',
      'real',
    ],
    [
      'gemini/v1beta/models/g:generateContent?key=',
      '',
      'query',
      '',
      '/v1beta/models/g:generateContent',
      'x-goog-api-key',
      'real',
    ],
  ])('to %s carries its key where its provider wants it', async (path, header, query, base, url, name, value) => {
    provider.script = answerJson(200, {});
    const run = await aRun({ OPENAI_API_KEY: 'real', GEMINI_API_KEY: 'real' }, { path: base });
    const token = stage.token(run);
    const headers = header === '' ? {} : { [header]: header === 'authorization' ? `Bearer ${token}` : token };
    expect((await ask(`${door(path)}${query === '' ? '' : token}`, headers)).status).toBe(200);
    expect(provider.asked[0]).toMatchObject({ url, headers: { [name]: value } });
  });

  it('keeps its connection for the next', async () => {
    provider.script = answered('claude-x', {});
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    await anthropic(run);
    const before = provider.connections;
    for (let index = 0; index < 3; index += 1) await anthropic(run);
    expect(provider.connections).toBe(before);
  });

  it('streams both ways: each event arrives before the next is made, and a large body once', async () => {
    const events = [
      { type: 'message_start', message: { model: 'claude-x', usage: { input_tokens: 3 } } },
      { type: 'ping' },
    ];
    let more: (() => void) | undefined;
    provider.script = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(sse(events[0]!));
      more = () => response.end(sse(events[1]!));
    };
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    const large = Buffer.alloc(33 * 1_048_576, 'x');
    const answer = await new Promise<string>((resolve, reject) => {
      const asking = request(door('anthropic/v1/messages'), {
        method: 'POST',
        headers: { 'x-api-key': stage.token(run) },
      });
      asking.on('error', reject);
      asking.on('response', (response) => {
        let got = '';
        response.on('data', (chunk: Buffer) => {
          got += chunk.toString();
          if (got === sse(events[0]!)) more!();
        });
        response.on('end', () => resolve(got));
      });
      asking.end(large);
    });
    expect(answer).toBe(events.map(sse).join(''));
    expect(provider.asked[0]!.body).toHaveLength(large.length);
  });

  it('that the agent gives up ends at the provider too', async () => {
    let closed = false;
    provider.script = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(sse({ type: 'message_start', message: { model: 'claude-x', usage: { input_tokens: 7 } } }));
      response.once('close', () => (closed = true));
    };
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    const asking = request(door('anthropic/v1/messages'), {
      method: 'POST',
      headers: { 'x-api-key': stage.token(run) },
    });
    asking.on('error', () => undefined);
    asking.on('response', (response) => response.once('data', () => asking.destroy()));
    asking.end('{}');
    await eventually(() => closed);
    await eventually(async () => expect(await used(run)).toMatchObject([{ inputTokens: '7', outputTokens: '0' }]));
  });

  it('that the provider cuts off is cut off for the agent', async () => {
    provider.script = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {}\n\n');
      setImmediate(() => response.destroy());
    };
    await expect(anthropic(await aRun({ ANTHROPIC_API_KEY: 'key' }))).rejects.toThrow();
  });

  it('is not redirected', async () => {
    provider.script = (_asked, response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
    expect((await anthropic(await aRun({ ANTHROPIC_API_KEY: 'key' }))).status).toBe(307);
    expect(provider.asked).toHaveLength(1);
  });
});

describe('another key', () => {
  const keys = { ANTHROPIC_API_KEY: 'one', ANTHROPIC_API_KEY_2: 'two' };
  const fine = answered('claude-x', {});
  const limited = (seconds: number) => answerJson(429, { type: 'error' }, { 'retry-after': String(seconds) });

  it('takes over at a limit, with the same body, and for other runs at once', async () => {
    provider.script = byKey({ first: limited(30), second: fine });
    const secrets = { ANTHROPIC_API_KEY: 'first', ANTHROPIC_API_KEY_2: 'second' };
    const [one, other] = [await aRun(secrets), await aRun(secrets)];
    expect((await anthropic(one, '{"a":1}')).status).toBe(200);
    expect(provider.keys).toEqual(['first', 'second']);
    expect(provider.asked.map(({ body }) => body)).toEqual(['{"a":1}', '{"a":1}']);
    expect((await anthropic(other)).status).toBe(200);
    expect(provider.keys).toEqual(['first', 'second', 'second']);
  });

  it('takes over from one that is refused, which then goes last', async () => {
    provider.script = byKey({ one: answerJson(401, { type: 'error' }), two: fine });
    const run = await aRun(keys);
    for (let index = 0; index < 2; index += 1) expect((await anthropic(run)).status).toBe(200);
    expect(provider.keys).toEqual(['one', 'two', 'two']);
  });

  it('that is refused as well leaves the provider’s own words', async () => {
    provider.script = answerJson(403, { type: 'error', error: { message: 'not for you' } }, { 'request-id': 'r1' });
    const answer = await anthropic(await aRun({ ANTHROPIC_API_KEY: 'three', ANTHROPIC_API_KEY_2: 'four' }));
    expect(answer).toMatchObject({
      status: 403,
      headers: { 'request-id': 'r1' },
      body: expect.stringContaining('not for you'),
    });
    expect(provider.keys).toEqual(['three', 'four']);
  });

  it('that is nowhere lets the call wait until the limit ends', async () => {
    let limits = 0;
    provider.script = (asked, response) => ((limits += 1) === 1 ? limited(1) : fine)(asked, response);
    const before = performance.now();
    expect((await anthropic(await aRun({ ANTHROPIC_API_KEY: 'five' }))).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(900);
    expect(provider.keys).toEqual(['five', 'five']);
  });

  it('that is nowhere within a minute gives the limit back, and the next call is told when to come', async () => {
    provider.script = limited(600);
    const run = await aRun({ ANTHROPIC_API_KEY: 'six' });
    expect(await anthropic(run)).toMatchObject({ status: 429, headers: { 'retry-after': '600' } });
    const next = await anthropic(run);
    expect(next).toMatchObject({ status: 429, headers: { 'x-capstan-egress': 'keys_paused' } });
    expect(Number(next.headers['retry-after'])).toBeGreaterThan(590);
    expect(JSON.parse(next.body)).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
    expect(provider.asked).toHaveLength(1);
    // Written down as well, for who drives the run: nothing was used, and until then nothing will be.
    const [row, ...more] = (await used(run)) as { calls: number; limitedUntil: Date }[];
    expect({ more, calls: row!.calls }).toEqual({ more: [], calls: 0 });
    const seconds = (row!.limitedUntil.getTime() - Date.now()) / 1_000;
    expect(seconds).toBeGreaterThan(590);
    expect(seconds).toBeLessThanOrEqual(600);
  });
});

describe('what a call used', () => {
  it('is counted from Anthropic’s stream', async () => {
    provider.script = answerEvents([
      {
        type: 'message_start',
        message: {
          model: 'claude-sonnet-9',
          usage: { input_tokens: 10, cache_read_input_tokens: 20, cache_creation_input_tokens: 30, output_tokens: 1 },
        },
      },
      { type: 'content_block_delta', delta: { text: 'the "usage" of words' } },
      { type: 'message_delta', delta: {}, usage: { output_tokens: 40 } },
      { type: 'message_stop' },
    ]);
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    for (let index = 0; index < 2; index += 1) await anthropic(run);
    expect(await used(run)).toMatchObject([
      {
        ...{ provider: 'anthropic', model: 'claude-sonnet-9', calls: 2, inputTokens: '20', outputTokens: '80' },
        ...{ cacheReadTokens: '40', cacheWriteTokens: '60', costUsd: null, unpricedCalls: 2 },
      },
    ]);
  });

  it('is recorded with the bytes of its host', async () => {
    provider.script = answered('claude-x', { input_tokens: 1 });
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    const { body } = await anthropic(run, '{"model":"claude-x"}');
    await used(run);
    expect(await stage.recorded(run)).toMatchObject([
      {
        host: '127.0.0.1',
        port: provider.place.port,
        verdict: 'allowed',
        bytesUp: '20',
        bytesDown: String(body.length),
      },
    ]);
  });

  it('is none for the counting of tokens and for lists', async () => {
    provider.script = answerJson(200, { input_tokens: 5 });
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    const headers = { 'x-api-key': stage.token(run) };
    expect((await ask(door('anthropic/v1/messages/count_tokens'), headers)).status).toBe(200);
    expect((await ask(door('anthropic/v1/models'), headers, '', 'GET')).status).toBe(200);
    expect(await used(run)).toEqual([]);
  });
});

describe('nothing is asked', () => {
  it.each([
    ['anthropic/v1/messages', 'x-api-key', { type: 'error', error: { type: 'authentication_error' } }],
    ['openai/responses', 'authorization', { error: { code: 'token_wrong' } }],
    ['gemini/v1beta/models/g:generateContent', 'x-goog-api-key', { error: { code: 401, status: 'UNAUTHENTICATED' } }],
  ])('without the token of a run: %s', async (path, header, shape) => {
    const refused = await ask(door(path), { [header]: 'Bearer sk-somebody-elses' });
    expect(refused.status).toBe(401);
    expect(JSON.parse(refused.body)).toMatchObject(shape);
    expect((await ask(door(path), {})).status).toBe(401);
    const over = await aRun({ ANTHROPIC_API_KEY: 'key' }, { state: 'placed' });
    expect((await ask(door(path), { 'x-api-key': stage.token(over) })).body).toContain('not going on');
    expect(provider.asked).toEqual([]);
  });

  it('without a key, which is named with the page where it is set', async () => {
    const run = await aRun({});
    const answer = await anthropic(run);
    expect(answer).toMatchObject({ status: 401, headers: { 'x-capstan-egress': 'key_missing' } });
    for (const word of ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN', 'Settings → Secrets'])
      expect(answer.body).toContain(word);
    expect((await openai(run)).body).toContain('OPENAI_API_KEY');
    expect(await stage.recorded(run)).toMatchObject([{ verdict: 'blocked', reason: 'key_missing', connections: 2 }]);
  });

  it.each([
    'v1/files',
    'v1/messages/batches',
    'v1/organizations/me',
    'v1/messages/../files',
    'v1/messages%2f..%2ffiles',
    '',
  ])('but models: %s', async (path) => {
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    const answer = await ask(door(`anthropic/${path}`), { 'x-api-key': stage.token(run) });
    expect(answer).toMatchObject({ status: 403, headers: { 'x-capstan-egress': 'path_blocked' } });
    expect(provider.asked).toEqual([]);
  });

  it('of a provider that the agent has no business with', async () => {
    const agent = { agent: 'codex', baseUrl: provider.url };
    const run = await aRun({ ANTHROPIC_API_KEY: 'key', OPENAI_API_KEY: 'key' }, { agent });
    provider.script = answerJson(200, {});
    expect((await openai(run)).status).toBe(200);
    const answer = await anthropic(run);
    expect(answer).toMatchObject({ status: 403, headers: { 'x-capstan-egress': 'provider_blocked' } });
    expect(answer.body).toContain('OPENAI_API_KEY');
    expect(provider.asked).toHaveLength(1);
  });

  it('once the task has cost what it may', async () => {
    provider.script = answered('claude-x', {});
    const run = await aRun({ ANTHROPIC_API_KEY: 'key' });
    expect((await anthropic(run)).status).toBe(200);
    await stage.database.query('update run set cost_usd = 9.99 where id = $1', [run.id]);
    expect((await anthropic(run)).status).toBe(200);
    await used(run);
    await stage.database.query(`update model_use set cost_usd = 10.01 where run_id = $1`, [run.id]);
    const over = await anthropic(run);
    expect(over).toMatchObject({ status: 403, headers: { 'x-capstan-egress': 'budget' } });
    expect(JSON.parse(over.body)).toMatchObject({
      type: 'error',
      error: { type: 'permission_error', message: expect.stringContaining('$10.01 of the $10.00') },
    });
    expect(await stage.recorded(run)).toMatchObject([{ verdict: 'allowed' }, { verdict: 'blocked', reason: 'budget' }]);
  });

  it('at a link-local address, even when a person set it', async () => {
    const run = await aRun(
      { OPENAI_API_KEY: 'key' },
      { agent: { agent: 'command', baseUrl: 'http://169.254.169.254/v1' } },
    );
    expect(await openai(run)).toMatchObject({ status: 403, headers: { 'x-capstan-egress': 'address_metadata' } });
  });

  it('where nobody answers, in words', async () => {
    const gone = await ProviderDouble.start();
    await gone.place.close();
    const run = await aRun({ OPENAI_API_KEY: 'key' }, { agent: { agent: 'command', baseUrl: gone.url } });
    const answer = await openai(run);
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({
      error: { code: 'unreachable', message: expect.stringContaining('ECONNREFUSED') },
    });
  });
});

it('no key and no token is ever logged', async () => {
  provider.script = answerJson(401, {});
  const run = await aRun({ ANTHROPIC_API_KEY: 'a-key-without-a-form' });
  await anthropic(run);
  const log = stage.log.join('');
  expect(log).toContain('ANTHROPIC_API_KEY');
  expect(log).not.toContain('a-key-without-a-form');
  expect(log).not.toContain(stage.token(run));
});
