import type { Credential } from '@capstan/api';
import type { CheckedState, Id } from '@capstan/domain';
import { credentialCheck, credentialChecked } from '@capstan/events';
import { aRepository, eventually } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

let gateway: TestGateway;
let admin: SignedInUser;
const VALUE = 'sk-spec-5d1f0c9a7be34e21';

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  admin = await gateway.aUser();
});

const put = (name: string, over: { value?: string; repositoryId?: Id } = {}) =>
  gateway.ask('PUT', `/api/secrets/${name}`, { as: admin, json: { value: VALUE, ...over } });
const repository = (agent: object, over: object = {}) =>
  aRepository(gateway.database, { workspaceId: admin.workspaceId, agent: agent as never, ...over });
async function status(): Promise<readonly Credential[]> {
  const answer = await gateway.ask('GET', '/api/auth/status', { as: admin });
  expect([answer.status, answer.text.includes(VALUE)]).toEqual([200, false]);
  return (answer.body as unknown as { items: Credential[] }).items;
}
const verify = (name: string, query = '') =>
  gateway.ask('POST', `/api/secrets/${name}/verify${query}`, { as: admin }) as unknown as Promise<{
    status: number;
    headers: Headers;
    body: Credential & { code: string; retryAfterMs: number };
  }>;
/** As egress writes it. */
async function said(name: string, state: CheckedState, over: Partial<Record<string, unknown>> = {}): Promise<Id> {
  const [row] = await gateway.database.query<{ id: Id }>(
    `insert into credential_check (workspace_id, secret_id, target, subject, secret_version, state, words, checked_at,
                                   conclusive_state, conclusive_at, began_at, next_check_at)
     select workspace_id, id, $3, $4, version, $5, $6, clock_timestamp(), $7, $8, clock_timestamp(), now()
       from secret where workspace_id = $1 and name = $2
     on conflict (secret_id, target) do update set state = $5, words = $6, began_at = clock_timestamp(),
       checked_at = clock_timestamp(), version = credential_check.version + 1
     returning secret_id as id`,
    [
      ...[admin.workspaceId, name, over['target'] ?? 'https://api.example', over['subject'] ?? 'api.example', state],
      ...[over['words'] ?? null, over['conclusive'] ?? null, over['conclusiveAt'] ?? null],
    ],
  );
  return row!.id;
}

it('names what is missing, once, with everything that needs it', async () => {
  const one = await repository({ agent: 'claude-code' });
  const other = await repository({ agent: 'claude-code' }, { credentialSecret: 'OTHER_TOKEN' });
  const items = await status();
  expect(items.map(({ name, alternatives, state }) => [name, alternatives, state])).toEqual(
    expect.arrayContaining([
      ['GITHUB_TOKEN', [], 'missing'],
      ['OTHER_TOKEN', [], 'missing'],
      ['ANTHROPIC_API_KEY', ['CLAUDE_CODE_OAUTH_TOKEN'], 'missing'],
    ]),
  );
  expect(items).toHaveLength(3);
  const key = items.find(({ name }) => name === 'ANTHROPIC_API_KEY')!;
  expect(key.neededBy.map(({ repositoryId, agent }) => [repositoryId, agent])).toEqual(
    expect.arrayContaining([
      [one.id, 'Claude Code'],
      [other.id, 'Claude Code'],
    ]),
  );
  await put('CLAUDE_CODE_OAUTH_TOKEN', { repositoryId: one.id });
  const after = await status();
  expect(after.find(({ state, name }) => state === 'missing' && name === 'ANTHROPIC_API_KEY')?.neededBy).toMatchObject([
    { repositoryId: other.id },
  ]);
  expect(after.find(({ name }) => name === 'CLAUDE_CODE_OAUTH_TOKEN')).toMatchObject({
    ...{ state: 'unchecked', repositoryId: one.id, provider: 'Anthropic', checking: true },
    neededBy: [{ repositoryId: one.id, agent: 'Claude Code' }],
  });
});

it('counts a further key for fail-over to who needs the first, and misses that one all the same', async () => {
  await repository({ agent: 'codex' });
  await put('OPENAI_API_KEY_2');
  const needed = [{ agent: 'Codex' }];
  expect((await status()).map(({ name, state, neededBy }) => ({ name, state, neededBy }))).toMatchObject([
    { name: 'GITHUB_TOKEN', state: 'missing' },
    { name: 'OPENAI_API_KEY', state: 'missing', neededBy: needed },
    { name: 'OPENAI_API_KEY_2', state: 'unchecked', neededBy: needed },
  ]);
});

it('asks for the credential that the choice between two names', async () => {
  await repository({ agent: 'claude-code' });
  await put('ANTHROPIC_API_KEY');
  await put('CLAUDE_AUTH_MODE', { value: 'oauth-token' });
  const items = await status();
  expect(items.find(({ name }) => name === 'CLAUDE_CODE_OAUTH_TOKEN')?.state).toBe('missing');
  // A choice, and whatever nobody knows, is listed, and nobody is asked about it.
  expect(items.find(({ name }) => name === 'CLAUDE_AUTH_MODE')).toMatchObject({
    ...{ state: 'unchecked', provider: null, checking: false, nextVerifyAt: null },
  });
  const refused = await verify('CLAUDE_AUTH_MODE');
  expect([refused.status, refused.body.code]).toEqual([422, 'credential_without_provider']);
});

it('tells of a credential at several places by the worst, and of an inconclusive one what was known before', async () => {
  await repository({ agent: 'command', argv: ['true'] });
  await put('GITHUB_TOKEN');
  await said('GITHUB_TOKEN', 'valid', { target: 'a', subject: 'acme/a' });
  await said('GITHUB_TOKEN', 'scope_too_narrow', { target: 'b', subject: 'acme/b', words: 'Not Found' });
  const [narrow] = await status();
  expect(narrow).toMatchObject({ state: 'scope_too_narrow', words: 'Not Found', provider: 'GitHub', checking: false });
  expect(narrow!.checks.map(({ subject, state }) => [subject, state])).toEqual([
    ['acme/a', 'valid'],
    ['acme/b', 'scope_too_narrow'],
  ]);
  await put('OPENAI_API_KEY_2');
  const at = new Date('2026-01-02T03:04:05Z');
  await said('OPENAI_API_KEY_2', 'inconclusive', { words: 'Overloaded', conclusive: 'valid', conclusiveAt: at });
  expect((await status())[1]).toMatchObject({
    ...{ name: 'OPENAI_API_KEY_2', state: 'inconclusive', provider: 'OpenAI' },
    lastConclusive: { state: 'valid', at: at.toISOString() },
  });
  // What was said of a former value says nothing of this one.
  await put('OPENAI_API_KEY_2');
  expect((await status())[1]).toMatchObject({ state: 'unchecked', checks: [], lastConclusive: null, checking: true });
});

it('asks egress once a minute, waits for its answer, and says when to come again', async () => {
  await put('OPENAI_API_KEY');
  const asked: unknown[] = [];
  const tail = await gateway.broker.tail([credentialCheck], (_, payload) => asked.push(payload));
  const answered = verify('OPENAI_API_KEY');
  await eventually(() => asked.length === 1);
  const secretId = await said('OPENAI_API_KEY', 'refused', { words: 'Incorrect API key' });
  expect(asked).toEqual([{ workspaceId: admin.workspaceId, secretId }]);
  await gateway.database.transaction((tx) => tx.emit(credentialChecked, { workspaceId: admin.workspaceId, secretId }));
  const first = await answered;
  expect([first.status, first.body]).toMatchObject([200, { state: 'refused', checking: false }]);
  expect(+new Date(first.body.nextVerifyAt!) - Date.now()).toBeGreaterThan(50_000);
  const second = await verify('OPENAI_API_KEY');
  expect([second.status, second.body.code]).toEqual([429, 'too_many_requests']);
  const seconds = Number(second.headers.get('retry-after'));
  expect(seconds > 50 && seconds <= 60).toBe(true);
  expect(asked).toHaveLength(1);
  await gateway.database.query(`update secret set verify_asked_at = now() - interval '61 seconds'`);
  const third = await verify('OPENAI_API_KEY');
  // Nobody answers now.
  expect([third.status, third.body]).toMatchObject([202, { state: 'refused', checking: true }]);
  await tail.close();
}, 20_000);

it('knows what is not set, and what is another workspace’s, as nothing', async () => {
  await put('OPENAI_API_KEY');
  const stranger = await gateway.aUser();
  for (const [as, name] of [
    [stranger, 'OPENAI_API_KEY'],
    [admin, 'GEMINI_API_KEY'],
  ] as const) {
    const answer = await gateway.ask('POST', `/api/secrets/${name}/verify`, { as });
    expect([answer.status, answer.body.code]).toEqual([404, 'secret_not_found']);
  }
  const foreign = await gateway.ask('GET', '/api/auth/status', { as: stranger });
  expect(foreign.body.items).toEqual([]);
  expect(gateway.lines.join('\n')).not.toContain(VALUE);
});
