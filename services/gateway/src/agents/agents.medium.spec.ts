import type { AgentTest } from '@capstan/api';
import { agentChanged } from '@capstan/events';
import { aRepository } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';
import type { AgentAnswer } from './agent-state.js';

let gateway: TestGateway;
let admin: SignedInUser;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  await gateway.database.query('truncate agent_program');
  admin = await gateway.aUser();
});

const agents = async (): Promise<readonly AgentAnswer[]> =>
  (await gateway.ask('GET', '/api/agents', { as: admin })).body['items'] as unknown as AgentAnswer[];
const claude = async () => (await agents()).find(({ name }) => name === 'claude-code')!;
const test = (name: string, json: object = {}) => gateway.ask('POST', `/api/agents/${name}/test`, { as: admin, json });
const seen = (host: string, path: string | null, version: string | null, age = '0 s') =>
  gateway.database.query(
    `insert into agent_program (host, agent, path, version, looked_at)
     values ($1, 'claude-code', $2, $3, clock_timestamp() - $4::interval)`,
    [host, path, version, age],
  );
const answer = (id: string, ok: boolean) =>
  gateway.database.query(`update agent_request set answered_at = clock_timestamp(), answer = $2 where id = $1`, [
    id,
    JSON.stringify({ ok, words: 'OK', durationMs: 900, costUsd: '0.01', isolation: 'isolated', failure: null }),
  ]);

it('are told with what the machines have of them, as far as somebody still looks', async () => {
  await seen('laptop', '/usr/bin/claude', '2.0.0');
  await seen('gone', null, null, '20 minutes');
  expect(await claude()).toMatchObject({
    program: { name: 'claude', package: '@anthropic-ai/claude-code' },
    machines: [{ host: 'laptop', path: '/usr/bin/claude', version: '2.0.0', older: true, problem: null, logIn: null }],
    credentialFrom: 'missing',
    test: null,
  });
  expect((await agents()).find(({ name }) => name === 'command')).toMatchObject({ program: null, fixes: [] });
});

describe('a test', () => {
  it('is written down, asked of the runners once, and told when it was answered', async () => {
    const asked = await test('claude-code');
    expect([asked.status, asked.body]).toMatchObject([202, { state: 'waiting', answeredAt: null, repositoryId: null }]);
    const { id } = asked.body as unknown as AgentTest;
    expect(
      await gateway.database.query(`select payload from outbox where payload->>'requestId' = $1`, [id]),
    ).toHaveLength(1);
    const again = await test('claude-code');
    expect([again.status, again.body.code]).toEqual([409, 'agent_test_open']);
    await answer(id, true);
    expect((await claude()).test).toMatchObject({ id, state: 'passed', words: 'OK', durationMs: 900, costUsd: '0.01' });
    const soon = await test('claude-code');
    expect([soon.status, soon.body.code, Number(soon.headers.get('retry-after')) > 0]).toEqual([
      429,
      'too_many_requests',
      true,
    ]);
    await gateway.database.query(`update agent_request set created_at = created_at - interval '1 minute'`);
    expect((await test('claude-code')).status).toBe(202);
  });

  it('of two that are asked for at once is one', async () => {
    const all = await Promise.all([test('codex'), test('codex'), test('codex')]);
    expect(all.map(({ status }) => status).toSorted()).toEqual([202, 409, 409]);
  });

  it('has the settings of a repository that uses the agent, and of no other', async () => {
    const own = await aRepository(gateway.database, { workspaceId: admin.workspaceId, agent: { agent: 'codex' } });
    const strange = await aRepository(gateway.database, { agent: { agent: 'codex' } });
    expect((await test('codex', { repositoryId: own.id })).body).toMatchObject({ repositoryId: own.id });
    expect((await test('gemini', { repositoryId: own.id })).status).toBe(404);
    expect((await test('codex', { repositoryId: strange.id })).status).toBe(404);
  });

  it('is for agents that have a program of their own', async () => {
    expect((await test('nobody')).body).toMatchObject({ status: 404, code: 'agent_unknown' });
    expect((await test('command')).body).toMatchObject({ status: 422, code: 'agent_without_program' });
  });

  it('is nobody else’s to see, and not for members to ask for', async () => {
    await test('claude-code');
    const stranger = await gateway.aUser();
    const { body } = await gateway.ask('GET', '/api/agents', { as: stranger });
    expect((body['items'] as unknown as AgentAnswer[]).every((each) => each.test === null)).toBe(true);
    const member = await gateway.aUser({ role: 'member' });
    expect((await gateway.ask('POST', '/api/agents/codex/test', { as: member, json: {} })).status).toBe(403);
  });
});

describe('a look', () => {
  const look = () => gateway.ask('POST', '/api/agents/look', { as: admin });

  it('is waited for, and said to go on where nobody has answered in two seconds', async () => {
    const going = await look();
    expect([going.status, going.body]).toMatchObject([202, { done: false }]);
    expect((await look()).status).toBe(429);
  });

  it('is over as soon as a runner says so', async () => {
    const going = look();
    for (let row; row === undefined;)
      [row] = await gateway.database.query<{ id: string }>(
        `update agent_request set answered_at = clock_timestamp() where workspace_id = $1 and kind = 'look' returning id`,
        [admin.workspaceId],
      );
    await gateway.database.transaction((tx) => tx.emit(agentChanged, { agent: 'all' }));
    expect(await going).toMatchObject({ status: 200, body: { done: true } });
  });
});

it('a credential is not missing for whom a log-in stands in, and is for whom has an address of their own', async () => {
  const settings = [{ agent: 'claude-code' }, { agent: 'claude-code', baseUrl: 'https://models.example' }];
  for (const agent of settings) await aRepository(gateway.database, { workspaceId: admin.workspaceId, agent });
  const missing = async () => {
    const { body } = await gateway.ask('GET', '/api/auth/status', { as: admin });
    const items = body['items'] as unknown as { name: string; state: string; neededBy: unknown[] }[];
    return items.find(({ name, state }) => name === 'ANTHROPIC_API_KEY' && state === 'missing')?.neededBy.length ?? 0;
  };
  expect(await missing()).toBe(2);
  await seen('laptop', '/usr/bin/claude', '2.1.329');
  const logIn = { state: 'usable', place: '~/x', words: 'w', remedy: null, secrets: ['CLAUDE_CODE_OAUTH_TOKEN'] };
  await gateway.database.query('update agent_program set log_in = $1', [JSON.stringify(logIn)]);
  expect(await missing()).toBe(1);
  await gateway.database.query('update agent_program set log_in = $1', [
    JSON.stringify({ ...logIn, state: 'expired', secrets: [] }),
  ]);
  expect(await missing()).toBe(2);
});
