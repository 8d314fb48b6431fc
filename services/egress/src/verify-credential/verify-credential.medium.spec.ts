import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import {
  Database,
  ForgeApp,
  migrate,
  newId,
  type CredentialCheck,
  type Outbox,
  type Repository,
} from '@capstan/database';
import type { Id } from '@capstan/domain';
import { Loops, Vault, openLogger } from '@capstan/service-kit';
import { aRepository, eventually, testDatabase, type TestDatabase } from '@capstan/test-support';
import { Reach } from '../address/reach.js';
import { outside, type Outside } from '../egress.fixture.js';
import { hostRules } from '../forward/host-rule.js';
import { askProvider } from '../provider/ask-provider.js';
import { askPermissions } from '../provider/forge-permissions.js';
import { CredentialVerifier } from './verify-credential.loop.js';

/** The providers as one server: what each answers to which key, and what it was sent. Their addresses aren't imitated. */
interface Asked {
  readonly host: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}
type Answer = (response: ServerResponse, request: Asked) => void;

let server: TestDatabase;
let database: Database;
let vault: Vault;
let double: Outside;
let repository: Repository;
const asked: Asked[] = [];
/** By host. */
const answers = new Map<string, Answer>();
const lines: string[] = [];
const logger = openLogger({ format: 'json', level: 'debug', secrets: [], write: (line) => void lines.push(line) });
const open: { readonly verifier: CredentialVerifier; readonly loops: Loops }[] = [];
const TIMEOUT_MS = 700;

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  vault = new Vault(database, randomBytes(32).toString('base64'));
  double = await outside(({ headers, url }, response) => {
    const host = headers.host!.split(':')[0]!;
    const request = { host, url: url!, headers };
    asked.push(request);
    response.setHeader('content-type', 'application/json');
    (answers.get(host) ?? (() => response.end('{}')))(response, request);
  });
});
afterAll(async () => {
  await double.close();
  await database.close();
  await server.close();
});
beforeEach(async () => {
  repository = await aRepository(database, { credentialSecret: 'UNSET' });
});
afterEach(async () => {
  for (const { verifier, loops } of open.splice(0)) {
    await verifier.close();
    await loops.close();
  }
  await database.query('delete from secret');
  await database.query('delete from outbox');
  await database.query('delete from repository');
  asked.splice(0);
  answers.clear();
});

const at = (host: string, path = '') => `http://${host}:${double.port}${path}`;
function verifier(): CredentialVerifier {
  const reach = new Reach(
    async (host) => (host.endsWith('.test') ? ['127.0.0.1'] : []),
    hostRules([`*.provider.test:${double.port}`]).rules,
  );
  return new CredentialVerifier({
    ...{ database, vault, logger, everyMs: 300_000, ask: askProvider(reach, TIMEOUT_MS) },
    askPermissions: askPermissions(database),
    providers: {
      anthropic: at('anthropic.provider.test'),
      openai: at('openai.provider.test', '/v1'),
      gemini: at('gemini.provider.test'),
      github: at('github.provider.test'),
    },
  });
}
/** Goes round by itself, as in the service. */
function started(): void {
  const one = { verifier: verifier(), loops: new Loops(logger) };
  open.push(one);
  one.verifier.start(one.loops);
}
async function once(one = verifier()): Promise<void> {
  await one.pass();
  await one.drain();
}
async function put(
  name: string,
  value = `spec-${name}-${randomBytes(9).toString('hex')}`,
  repositoryId: Id | null = null,
) {
  const { workspaceId } = repository;
  await database.transaction((tx) => vault.put(tx, { workspaceId, repositoryId, name }, value));
  return value;
}
const checks = () =>
  database.query<CredentialCheck & { name: string }>(
    'select c.*, s.name from credential_check c join secret s on s.id = c.secret_id order by s.name, c.subject',
  );
const says =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.statusCode = status;
    response.end(JSON.stringify(body));
  };

it('asks each provider in its own way, and keeps what it said', async () => {
  const values = {
    ANTHROPIC_API_KEY: await put('ANTHROPIC_API_KEY'),
    CLAUDE_CODE_OAUTH_TOKEN: await put('CLAUDE_CODE_OAUTH_TOKEN'),
    COPILOT_GITHUB_TOKEN: await put('COPILOT_GITHUB_TOKEN'),
    GEMINI_API_KEY: await put('GEMINI_API_KEY'),
    OPENAI_API_KEY: await put('OPENAI_API_KEY'),
  };
  await put('CLAUDE_AUTH_MODE', 'api-key');
  answers.set('anthropic.provider.test', (response, { headers }) =>
    headers['x-api-key'] === undefined
      ? says(401, { error: { type: 'authentication_error', message: 'OAuth token has expired.' } })(response, asked[0]!)
      : says(200, { data: [] })(response, asked[0]!),
  );
  answers.set('openai.provider.test', (response, request) =>
    says(401, { error: { message: `Incorrect API key provided: ${request.headers.authorization!.slice(7)}.` } })(
      response,
      request,
    ),
  );
  answers.set(
    'gemini.provider.test',
    says(403, { error: { message: 'Blocked for this key', status: 'PERMISSION_DENIED' } }),
  );
  answers.set('github.provider.test', says(429, { message: 'Wait' }));
  await once();
  expect(
    (await checks()).map(({ name, subject, state, words }) => [name, subject.split('.')[0], state, words]),
  ).toEqual([
    ['ANTHROPIC_API_KEY', 'anthropic', 'valid', null],
    ['CLAUDE_CODE_OAUTH_TOKEN', 'anthropic', 'expired', 'OAuth token has expired.'],
    ['COPILOT_GITHUB_TOKEN', 'github', 'inconclusive', 'Wait'],
    ['GEMINI_API_KEY', 'gemini', 'scope_too_narrow', 'Blocked for this key'],
    ['OPENAI_API_KEY', 'openai', 'refused', 'Incorrect API key provided: ***.'],
  ]);
  const sent = (url: string) => asked.filter((each) => each.url === url).map(({ headers }) => headers);
  expect(sent('/v1/models?limit=1')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ 'x-api-key': values.ANTHROPIC_API_KEY, 'anthropic-version': '2023-06-01' }),
      expect.objectContaining({
        authorization: `Bearer ${values.CLAUDE_CODE_OAUTH_TOKEN}`,
        'anthropic-beta': 'oauth-2025-04-20',
      }),
    ]),
  );
  expect(sent('/v1/models')[0]).toMatchObject({ authorization: `Bearer ${values.OPENAI_API_KEY}` });
  expect(sent('/v1beta/models?pageSize=1')[0]).toMatchObject({ 'x-goog-api-key': values.GEMINI_API_KEY });
  expect(sent('/user')[0]).toMatchObject({ authorization: `Bearer ${values.COPILOT_GITHUB_TOKEN}` });
  expect(asked).toHaveLength(5);
  // Whoever shows them is told.
  const told = await database.query<Outbox>(`select * from outbox where event = 'credential.checked'`);
  expect(told).toHaveLength(5);
  const kept = JSON.stringify([await checks(), told, lines]);
  for (const value of Object.values(values)) expect(kept).not.toContain(value);
});

it('asks about the key of an app with a proof, and never shows the key', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const { workspaceId } = repository;
  const name = 'GITHUB_APP_1_KEY';
  await database.transaction(async (tx) => {
    await tx.insert(ForgeApp, {
      ...{
        id: newId(),
        workspaceId,
        forge: 'github',
        apiUrl: at('ghe.house.test', '/api/v3'),
        appId: 7,
        slug: 'capstan',
      },
      ...{ name: 'Capstan', owner: 'acme', url: '', credentialSecret: name, webhookSecret: null },
    });
    await vault.put(tx, { workspaceId, repositoryId: null, name }, pem);
    await tx.query('update repository set credential_secret = $2, api_url = $3 where id = $1', [
      ...[repository.id, name, at('models.house.test', '/api/v3')],
    ]);
  });
  answers.set('ghe.house.test', says(200, { slug: 'capstan' }));
  await once();
  expect(await checks()).toMatchObject([{ name, subject: 'capstan', state: 'valid' }]);
  expect(asked.map(({ host, url }) => [host, url])).toEqual([['ghe.house.test', '/api/v3/app']]);
  expect(asked[0]!.headers.authorization).toMatch(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/);
  expect(JSON.stringify([asked, await checks(), lines])).not.toContain(pem.split('\n')[3]);
  await database.query('delete from forge_app');
});

it('asks about a forge’s token at each of its repositories, and at an agent’s own endpoint', async () => {
  await database.query(
    `update repository set credential_secret = 'GITHUB_TOKEN', full_name = 'acme/one', api_url = $1`,
    [at('ghe.house.test', '/api/v3')],
  );
  await aRepository(database, {
    ...{ workspaceId: repository.workspaceId, fullName: 'acme/two', apiUrl: at('ghe.house.test', '/api/v3') },
    agent: { agent: 'codex', baseUrl: at('models.house.test', '/openai') },
  });
  const token = await put('GITHUB_TOKEN');
  const key = await put('OPENAI_API_KEY');
  answers.set('ghe.house.test', (response, request) =>
    request.url.endsWith('/one')
      ? says(200, { permissions: { push: true, pull: true } })(response, request)
      : says(404, { message: 'Not Found' })(response, request),
  );
  await once();
  expect((await checks()).map(({ name, subject, state }) => [name, subject, state])).toEqual([
    ['GITHUB_TOKEN', 'acme/one', 'valid'],
    ['GITHUB_TOKEN', 'acme/two', 'scope_too_narrow'],
    ['OPENAI_API_KEY', `models.house.test:${double.port}`, 'valid'],
  ]);
  expect(asked.map(({ url, headers }) => [url, headers.authorization]).sort()).toEqual([
    ['/api/v3/repos/acme/one', `Bearer ${token}`],
    ['/api/v3/repos/acme/two', `Bearer ${token}`],
    ['/openai/models', `Bearer ${key}`],
  ]);
  // A repository that is gone has no more to say.
  await database.query(`update repository set archived_at = now() where full_name = 'acme/two'`);
  await once();
  expect((await checks()).map(({ name, subject, state }) => [name, subject.split(':')[0], state])).toEqual([
    ['GITHUB_TOKEN', 'acme/one', 'valid'],
    ['OPENAI_API_KEY', 'openai.provider.test', 'valid'],
  ]);
});

it('keeps what was known while a provider says nothing of the key, and forgets it with a new value', async () => {
  await put('OPENAI_API_KEY');
  await once();
  answers.set('openai.provider.test', says(503, { error: { message: 'Overloaded' } }));
  await database.query('update secret set verify_asked_at = clock_timestamp()');
  await once();
  const [kept] = await checks();
  expect(kept).toMatchObject({ state: 'inconclusive', words: 'Overloaded', conclusiveState: 'valid' });
  expect(+kept!.conclusiveAt!).toBeLessThan(+kept!.checkedAt!);
  await put('OPENAI_API_KEY');
  await once();
  expect((await checks())[0]).toMatchObject({ state: 'inconclusive', conclusiveState: null, secretVersion: 2 });
});

it('asks again when it is time, or at once when somebody wants to know, and not before', async () => {
  await put('OPENAI_API_KEY');
  await once();
  await once();
  expect(asked).toHaveLength(1);
  await database.query('update secret set verify_asked_at = clock_timestamp()');
  await once();
  await once();
  expect(asked).toHaveLength(2);
  await put('OPENAI_API_KEY');
  await once();
  expect(asked).toHaveLength(3);
  await database.query(`update credential_check set next_check_at = now() - interval '1 ms'`);
  await once();
  expect(asked).toHaveLength(4);
  const [{ inSeconds } = { inSeconds: 0 }] = await database.query<{ inSeconds: number }>(
    'select extract(epoch from next_check_at - clock_timestamp())::int as in_seconds from credential_check',
  );
  expect(inSeconds).toBeGreaterThan(290);
});

it('is not held up by a provider that hangs, however many credentials are with it', async () => {
  const hanging: ServerResponse[] = [];
  answers.set('openai.provider.test', (response) => void hanging.push(response));
  answers.set('anthropic.provider.test', (response) => {
    // Begins to answer, and then says no more.
    response.write('{');
    hanging.push(response);
  });
  for (const suffix of ['', '_2', '_3', '_4', '_5', '_6', '_7']) await put(`OPENAI_API_KEY${suffix}`);
  await put('ANTHROPIC_API_KEY');
  await put('GEMINI_API_KEY');
  started();
  const stateOf = async (name: string) => (await checks()).find((each) => each.name === name)?.state;
  await eventually(async () => (await stateOf('GEMINI_API_KEY')) === 'valid');
  expect(hanging.length).toBeLessThanOrEqual(4 + 1);
  await eventually(async () => (await stateOf('ANTHROPIC_API_KEY')) === 'inconclusive');
  // The others come when those before them are given up.
  await eventually(async () => {
    const all = (await checks()).filter(({ name }) => name.startsWith('OPENAI'));
    expect(all.map(({ state }) => state)).toEqual(Array.from({ length: 7 }, () => 'inconclusive'));
    expect(all[0]!.words).toBe(
      `openai.provider.test:${double.port} gave no answer within ${TIMEOUT_MS / 1_000} seconds`,
    );
  }, 15_000);
  for (const response of hanging) response.destroy();
}, 30_000);

it('makes a check once, however many replicas look, and none of a secret that is gone meanwhile', async () => {
  await put('OPENAI_API_KEY');
  const replicas = [verifier(), verifier(), verifier()];
  await Promise.all(replicas.map((each) => once(each)));
  expect(asked).toHaveLength(1);
  answers.set('openai.provider.test', (response, request) => {
    void database.query('delete from secret').then(() => says(200, {})(response, request));
  });
  await database.query('update secret set verify_asked_at = clock_timestamp()');
  await database.query('delete from outbox');
  await once();
  expect([asked.length, await checks(), await database.query('select * from outbox')]).toEqual([2, [], []]);
});

it('takes a credential to no address that its name must not lead to, and follows no redirect', async () => {
  answers.set('openai.provider.test', says(302, {}, { location: at('models.house.test') }));
  await put('OPENAI_API_KEY');
  const endpoint = { agent: 'claude-code', baseUrl: 'http://169.254.169.254/latest' };
  await aRepository(database, { workspaceId: repository.workspaceId, credentialSecret: 'UNSET', agent: endpoint });
  await put('ANTHROPIC_API_KEY');
  await put('GEMINI_API_KEY', 'line\nend');
  await once();
  const [anthropic, gemini, openai] = await checks();
  expect(anthropic).toMatchObject({ state: 'inconclusive', words: expect.stringContaining('metadata') });
  expect(gemini).toMatchObject({ state: 'refused', words: expect.stringContaining('line end') });
  expect(openai).toMatchObject({ state: 'inconclusive', words: 'HTTP 302' });
  expect(asked.map(({ host }) => host)).toEqual(['openai.provider.test']);
});
