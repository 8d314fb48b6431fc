import type { Credential } from '@capstan/api';
import type { Id } from '@capstan/domain';
import { aRepository } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

let gateway: TestGateway;
let admin: SignedInUser;
let member: SignedInUser;
let repositoryId: Id;
const VALUE = 'sk-spec-own-4be821d09c';

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  admin = await gateway.aUser();
  const { workspaceId } = admin;
  member = await gateway.aUser({ workspaceId, role: 'member' });
  ({ id: repositoryId } = await aRepository(gateway.database, {
    workspaceId,
    agent: { agent: 'claude-code' } as never,
  }));
});

const put = (as: SignedInUser, name: string, value = VALUE) =>
  gateway.ask('PUT', `/api/me/secrets/${name}`, { as, json: { value } });
async function status(as: SignedInUser): Promise<readonly Credential[]> {
  const answer = await gateway.ask('GET', '/api/auth/status', { as });
  expect([answer.status, answer.text.includes(VALUE)]).toEqual([200, false]);
  return (answer.body as unknown as { items: Credential[] }).items;
}
const shown = async (as: SignedInUser) => (await status(as)).map(({ owner, name, state }) => [owner, name, state]);
const rows = () =>
  gateway.database.query(
    'select name, user_id from secret where workspace_id = $1 order by name, user_id nulls first',
    [admin.workspaceId],
  );
const audits = () =>
  gateway.database.query(
    `select action, actor->>'id' as who, detail from audit where workspace_id = $1 and action like 'secret.%' order by id`,
    [admin.workspaceId],
  );

it('are set, seen and forgotten by the one whose they are, and by nobody else', async () => {
  expect((await put(member, 'ANTHROPIC_API_KEY')).body).toMatchObject({ name: 'ANTHROPIC_API_KEY', version: 1 });
  await gateway.ask('PUT', '/api/secrets/ANTHROPIC_API_KEY', { as: admin, json: { value: 'sk-spec-of-all' } });
  expect(await rows()).toEqual([
    { name: 'ANTHROPIC_API_KEY', userId: null },
    { name: 'ANTHROPIC_API_KEY', userId: member.userId },
  ]);
  // A member sees none of the workspace's, an admin none of the member's.
  expect(await shown(member)).toEqual([['mine', 'ANTHROPIC_API_KEY', 'unchecked']]);
  expect(await shown(admin)).toEqual([
    ['workspace', 'GITHUB_TOKEN', 'missing'],
    ['workspace', 'ANTHROPIC_API_KEY', 'unchecked'],
  ]);
  expect((await gateway.ask('GET', '/api/secrets', { as: admin })).body).toMatchObject({
    items: [{ name: 'ANTHROPIC_API_KEY' }],
  });
  expect((await gateway.ask('DELETE', '/api/me/secrets/ANTHROPIC_API_KEY', { as: admin })).status).toBe(404);
  expect((await gateway.ask('DELETE', '/api/secrets/ANTHROPIC_API_KEY', { as: admin })).status).toBe(204);
  expect(await rows()).toEqual([{ name: 'ANTHROPIC_API_KEY', userId: member.userId }]);
  expect((await gateway.ask('DELETE', '/api/me/secrets/ANTHROPIC_API_KEY', { as: member })).status).toBe(204);
  expect(await rows()).toEqual([]);
});

it('leave a trace of who did what, without the value', async () => {
  await put(member, 'OPENAI_API_KEY');
  await gateway.ask('DELETE', '/api/me/secrets/OPENAI_API_KEY', { as: member });
  const detail = { name: 'OPENAI_API_KEY', userId: member.userId };
  expect(await audits()).toEqual([
    { action: 'secret.set', who: member.userId, detail },
    { action: 'secret.forgotten', who: member.userId, detail },
  ]);
  expect(gateway.lines.join('\n')).not.toContain(VALUE);
});

it('say which agents of which repositories they serve, but for endpoints that a repository has set', async () => {
  await aRepository(gateway.database, {
    workspaceId: admin.workspaceId,
    agent: { agent: 'claude-code', baseUrl: 'https://in.house' } as never,
  });
  await put(member, 'CLAUDE_CODE_OAUTH_TOKEN_2');
  const [own] = await status(member);
  expect(own).toMatchObject({
    provider: 'Anthropic',
    owner: 'mine',
    neededBy: [{ repositoryId, agent: 'Claude Code' }],
  });
});

it('of a name that no agent takes to a provider are refused, with what can be set', async () => {
  const answer = await put(member, 'GITHUB_TOKEN');
  expect([answer.status, answer.body]).toMatchObject([
    422,
    {
      code: 'secret_not_personal',
      field: 'name',
      remedy: expect.stringMatching(/ANTHROPIC_API_KEY.*CLAUDE_AUTH_MODE/) as unknown,
    },
  ]);
  expect((await put(member, 'CLAUDE_AUTH_MODE', 'oauth-token')).status).toBe(200);
});

it('are verified for their owner alone, once a minute and apart from the workspace’s', async () => {
  await put(member, 'ANTHROPIC_API_KEY');
  await gateway.ask('PUT', '/api/secrets/ANTHROPIC_API_KEY', { as: admin, json: { value: 'sk-spec-of-all' } });
  const verify = (as: SignedInUser) => gateway.ask('POST', '/api/me/secrets/ANTHROPIC_API_KEY/verify', { as });
  expect((await verify(admin)).status).toBe(404);
  const asked = await verify(member);
  expect([asked.status, asked.body]).toMatchObject([202, { owner: 'mine', checking: true }]);
  expect((await verify(member)).status).toBe(429);
  expect((await gateway.ask('POST', '/api/secrets/ANTHROPIC_API_KEY/verify', { as: admin })).status).toBe(202);
});

it('are nothing for who only looks', async () => {
  const viewer = await gateway.aUser({ workspaceId: admin.workspaceId, role: 'viewer' });
  expect((await put(viewer, 'ANTHROPIC_API_KEY')).status).toBe(403);
});
