import type { ModelOrder } from '@capstan/api';
import { aRepository } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

let gateway: TestGateway;
let admin: SignedInUser;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());
beforeEach(async () => {
  admin = await gateway.aUser();
});

const ENTRIES = [
  { kind: 'key', secret: 'ANTHROPIC_API_KEY_2' },
  { kind: 'compatible', baseUrl: 'http://127.0.0.1:11434/v1', secret: 'LOCAL_KEY', models: { '*': 'qwen' } },
];
const put = (entries: readonly object[], as = admin, protocol = 'anthropic') =>
  gateway.ask('PUT', `/api/model-orders/${protocol}`, { as, json: { entries } });
const list = async (as = admin) =>
  ((await gateway.ask('GET', '/api/model-orders', { as })).body as unknown as { items: ModelOrder[] }).items;

it('is set, shown with what of it is missing, and taken away', async () => {
  expect((await list()).map(({ protocol, entries }) => [protocol, entries])).toEqual([
    ['anthropic', []],
    ['openai', []],
    ['gemini', []],
  ]);
  await gateway.ask('PUT', '/api/secrets/LOCAL_KEY', { as: admin, json: { value: 'sk-local' } });
  const answer = await put(ENTRIES);
  expect([answer.status, answer.body]).toMatchObject([
    200,
    { protocol: 'anthropic', entries: ENTRIES, unset: ['ANTHROPIC_API_KEY_2'] },
  ]);
  expect((await list())[0]).toEqual(answer.body);
  expect((await put([])).body).toMatchObject({ entries: [], changedAt: null });
  const audit = await gateway.database.query<{ detail: object }>(
    `select detail from audit where workspace_id = $1 and action = 'model_order.set' order by id`,
    [admin.workspaceId],
  );
  expect(audit.map(({ detail }) => detail)).toEqual([
    { protocol: 'anthropic', entries: ENTRIES },
    { protocol: 'anthropic', entries: [] },
  ]);
});

it('that can not be kept is refused whole, with field, reason and remedy', async () => {
  await put(ENTRIES);
  const answer = await put([ENTRIES[0]!, { ...ENTRIES[1], baseUrl: 'http://192.0.2.1/v1' }]);
  expect([answer.status, answer.body]).toMatchObject([
    422,
    {
      code: 'model_order_invalid',
      field: 'entries.1.baseUrl',
      detail: expect.stringContaining('in the clear') as unknown,
      remedy: expect.stringContaining('https') as unknown,
    },
  ]);
  expect((await list())[0]).toMatchObject({ entries: ENTRIES });
  expect((await put([{ kind: 'compatible', baseUrl: 'ftp://x', secret: 'A' }])).status).toBe(422);
});

it('never takes what a forge or tracker is shown for the key of a provider', async () => {
  const { workspaceId } = admin;
  await aRepository(gateway.database, { workspaceId, credentialSecret: 'FORGE_KEY' });
  const answer = await put([{ ...ENTRIES[1], secret: 'FORGE_KEY' }]);
  expect([answer.status, answer.body]).toMatchObject([422, { field: 'entries.0.secret' }]);
});

it('is the business of who manages secrets, in their own workspace', async () => {
  await put(ENTRIES);
  const member = await gateway.aUser({ workspaceId: admin.workspaceId, role: 'member' });
  expect((await put([], member)).status).toBe(403);
  expect((await list(await gateway.aUser()))[0]).toMatchObject({ entries: [] });
});
