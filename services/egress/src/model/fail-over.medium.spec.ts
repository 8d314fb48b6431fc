import { newId, type Repository, type Run } from '@capstan/database';
import type { Id, ModelOrderEntry } from '@capstan/domain';
import { aPod, aRepository, aRun, aTask } from '@capstan/test-support';
import { aStage, type Stage } from '../egress.fixture.js';
import { ProviderDouble, answerJson, ask, sse, type Script } from './provider.fixture.js';
import { PROVIDERS } from './provider.js';

jest.setTimeout(60_000);

let stage: Stage;
let anthropic: ProviderDouble;
let other: ProviderDouble;
let repository: Repository;

beforeAll(async () => {
  [anthropic, other] = [await ProviderDouble.start(), await ProviderDouble.start()];
  const at = <Name extends keyof typeof PROVIDERS>(name: Name) => ({ ...PROVIDERS[name], baseUrl: anthropic.url });
  stage = await aStage({
    privateHosts: `127.0.0.1:${anthropic.place.port}`,
    providers: { anthropic: at('anthropic'), openai: at('openai'), gemini: at('gemini') },
  });
});
afterAll(async () => {
  await stage.close();
  await Promise.all([anthropic.place.close(), other.place.close()]);
});
beforeEach(async () => {
  for (const double of [anthropic, other]) {
    double.asked.length = 0;
    double.script = fine;
  }
  repository = await aRepository(stage.database);
});

const fine: Script = (asked, response) =>
  answerJson(200, {
    type: 'message',
    model: /"model":"([^"]+)"/.exec(asked.body)?.[1] ?? 'claude-x',
    usage: { input_tokens: 3, output_tokens: 4 },
  })(asked, response);
const limited = (seconds: number) => answerJson(429, { type: 'error' }, { 'retry-after': String(seconds) });
const refused = answerJson(401, { type: 'error', error: { message: 'unknown key' } });
const byKey =
  (scripts: Record<string, Script>): Script =>
  (asked, response) =>
    scripts[String(asked.headers['x-api-key'] ?? asked.headers.authorization?.replace('Bearer ', ''))]!(
      asked,
      response,
    );

/** Names of keys that no other spec has paused. */
let serial = 0;
const fresh = (name: string) => `${name}-${(serial += 1)}`;

const put = (name: string, value: string, userId: Id | null = null) =>
  stage.database.transaction((tx) =>
    stage.vault.put(tx, { workspaceId: repository.workspaceId, repositoryId: null, userId, name }, value),
  );
const order = (protocol: string, entries: readonly ModelOrderEntry[]) =>
  stage.database.query('insert into model_order (workspace_id, protocol, entries) values ($1, $2, $3)', [
    repository.workspaceId,
    protocol,
    JSON.stringify(entries),
  ]);
const elsewhere = (models: Record<string, string> = {}, baseUrl = `${other.url}/api`): ModelOrderEntry => ({
  kind: 'compatible',
  baseUrl,
  secret: 'OTHER_KEY',
  models,
});
const key = (secret: string): ModelOrderEntry => ({ kind: 'key', secret });

async function run(over: { readonly userId?: Id; readonly agent?: object } = {}): Promise<Run> {
  const { userId, agent = { agent: 'command' } } = over;
  const task = await aTask(
    stage.database,
    repository,
    userId === undefined ? {} : { createdBy: { kind: 'user', id: userId } },
  );
  const pod = await aPod(stage.database, repository, { ordinal: (serial += 1) });
  const columns = { state: 'running', taskState: 'running', agent: agent as never, task, pod } as const;
  return (await aRun(stage.database, repository, columns)).run;
}
const message = (of: Run, model = 'claude-x') =>
  ask(
    `${stage.egress.server.url}/model/anthropic/v1/messages`,
    { 'x-api-key': stage.token(of) },
    `{"model":"${model}","n":1}`,
  );
const used = async (of: Run) => {
  await stage.egress.record();
  return stage.database.query(
    'select provider, model, calls, cost_usd, unpriced_calls from model_use where run_id = $1 order by provider',
    [of.id],
  );
};
async function aMember(): Promise<Id> {
  const id = newId();
  await stage.database.query(`insert into "user" (id, email, name, password_hash) values ($1, $2, 'Spec', '')`, [
    id,
    `${id}@spec.example`,
  ]);
  await stage.database.query(`insert into membership values ($1, $2, 'member')`, [repository.workspaceId, id]);
  return id;
}

describe('an order', () => {
  it('is gone down: limit, refusal, then another provider with its own key, path and name of the model', async () => {
    const [first, account, theirs] = [fresh('first'), fresh('account'), fresh('theirs')];
    await put('ANTHROPIC_API_KEY_2', first);
    await put('ANTHROPIC_API_KEY', fresh('unlisted'));
    await put('CLAUDE_CODE_OAUTH_TOKEN', account);
    await put('OTHER_KEY', theirs);
    await order('anthropic', [
      key('ANTHROPIC_API_KEY_2'),
      key('CLAUDE_CODE_OAUTH_TOKEN'),
      elsewhere({ 'claude-x': 'vendor/claude-x' }),
    ]);
    anthropic.script = byKey({ [first]: limited(30), [account]: refused });
    const its = await run();
    const before = performance.now();
    const answer = await message(its);
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ model: 'vendor/claude-x' });
    expect(anthropic.keys).toEqual([first, account]);
    expect(anthropic.asked.map(({ body }) => body)).toEqual(Array(2).fill('{"model":"claude-x","n":1}'));
    expect(other.asked).toMatchObject([
      {
        url: '/api/v1/messages',
        body: '{"model":"vendor/claude-x","n":1}',
        headers: { 'x-api-key': theirs, authorization: `Bearer ${theirs}`, host: `127.0.0.1:${other.place.port}` },
      },
    ]);
    // A key goes to its own provider and to nobody else, and the run's token to neither.
    expect(JSON.stringify(anthropic.asked)).not.toContain(theirs);
    for (const hidden of [first, account, stage.token(its)]) expect(JSON.stringify(other.asked)).not.toContain(hidden);
    expect(await used(its)).toEqual([
      {
        provider: `127.0.0.1:${other.place.port}`,
        model: 'vendor/claude-x',
        calls: 1,
        costUsd: null,
        unpricedCalls: 1,
      },
    ]);
    expect((await stage.recorded(its)).map(({ port }) => port)).toEqual(
      [anthropic.place.port, other.place.port].sort((one, two) => one - two),
    );
  });

  it('begins anew once the limit of the first has ended', async () => {
    const first = fresh('first');
    await put('ANTHROPIC_API_KEY', first);
    await put('OTHER_KEY', fresh('theirs'));
    await order('anthropic', [key('ANTHROPIC_API_KEY'), elsewhere()]);
    anthropic.script = limited(1);
    const its = await run();
    for (let index = 0; index < 2; index += 1) expect((await message(its)).status).toBe(200);
    expect([anthropic.asked.length, other.asked.length]).toEqual([1, 2]);
    anthropic.script = fine;
    const until = performance.now() + 5_000;
    while (anthropic.asked.length < 2 && performance.now() < until) await message(its);
    expect(anthropic.asked.length).toBe(2);
    expect((await used(its)).map(({ provider }) => provider)).toContain('anthropic');
  });

  it.each([
    ['is overloaded', answerJson(503, { type: 'error' })],
    ['is overloaded in its own way', answerJson(529, { type: 'error' })],
    ['breaks off', ((_asked, response) => void response.destroy()) satisfies Script],
  ])('passes over who %s, for calls that follow as well', async (_what, script) => {
    await put('ANTHROPIC_API_KEY', fresh('one'));
    await put('ANTHROPIC_API_KEY_2', fresh('two'));
    await put('OTHER_KEY', fresh('theirs'));
    await order('anthropic', [key('ANTHROPIC_API_KEY'), key('ANTHROPIC_API_KEY_2'), elsewhere()]);
    anthropic.script = script;
    const its = await run();
    expect((await message(its)).status).toBe(200);
    const asked = anthropic.asked.length; // once more where a kept connection may have been closed
    expect((await message(its)).status).toBe(200);
    expect([anthropic.asked.length, other.asked.length]).toEqual([asked, 2]);
  });

  it('passes over a host that nobody may reach', async () => {
    await put('ANTHROPIC_API_KEY', fresh('one'));
    await put('OTHER_KEY', fresh('theirs'));
    await order('anthropic', [elsewhere({}, 'http://169.254.169.254'), key('ANTHROPIC_API_KEY')]);
    const its = await run();
    expect((await message(its)).status).toBe(200);
    expect(await stage.recorded(its)).toMatchObject([
      { host: '127.0.0.1', verdict: 'allowed' },
      { host: '169.254.169.254', verdict: 'blocked', reason: 'address_metadata' },
    ]);
  });

  it('that comes to its end gives a limit back rather than a refusal: waiting helps', async () => {
    await put('ANTHROPIC_API_KEY', fresh('one'));
    await put('OTHER_KEY', fresh('theirs'));
    await order('anthropic', [key('ANTHROPIC_API_KEY'), elsewhere()]);
    anthropic.script = limited(600);
    other.script = refused;
    expect(await message(await run())).toMatchObject({ status: 429, headers: { 'retry-after': '600' } });
  });

  it('is left once a part of an answer was passed on: a stream that breaks is broken', async () => {
    await put('ANTHROPIC_API_KEY', fresh('one'));
    await put('OTHER_KEY', fresh('theirs'));
    await order('anthropic', [key('ANTHROPIC_API_KEY'), elsewhere()]);
    anthropic.script = (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(sse({ type: 'ping' }));
      setImmediate(() => response.destroy());
    };
    await expect(message(await run())).rejects.toThrow();
    expect(other.asked).toEqual([]);
  });

  it('changes the name in the path where the protocol has it there, and every other by the star', async () => {
    await put('OTHER_KEY', fresh('theirs'));
    await order('gemini', [elsewhere({ 'gemini-3': 'g3', '*': 'rest' })]);
    const its = await run();
    for (const model of ['gemini-3', 'gemini-4'])
      await ask(
        `${stage.egress.server.url}/model/gemini/v1beta/models/${model}:generateContent`,
        { 'x-goog-api-key': stage.token(its) },
        '{}',
      );
    expect(other.asked.map(({ url }) => url)).toEqual([
      '/api/v1beta/models/g3:generateContent',
      '/api/v1beta/models/rest:generateContent',
    ]);
  });

  it('says which secrets are missing where none of it is set', async () => {
    await order('anthropic', [elsewhere(), key('ANTHROPIC_API_KEY_3')]);
    const answer = await message(await run());
    expect(answer).toMatchObject({ status: 401, headers: { 'x-capstan-egress': 'key_missing' } });
    for (const name of ['OTHER_KEY', 'ANTHROPIC_API_KEY_3']) expect(answer.body).toContain(name);
  });

  it('is not for a repository with an endpoint of its own, which sees none of the other keys', async () => {
    const userId = await aMember();
    const ours = fresh('ours');
    await put('ANTHROPIC_API_KEY', ours);
    await put('ANTHROPIC_API_KEY', fresh('person'), userId);
    await put('OTHER_KEY', fresh('theirs'));
    await order('anthropic', [elsewhere()]);
    const its = await run({ userId, agent: { agent: 'command', baseUrl: anthropic.url } });
    expect((await message(its)).status).toBe(200);
    expect([anthropic.keys, other.keys]).toEqual([[ours], []]);
  });
});

describe('a person’s own key', () => {
  it('is used by the tasks that they made, and by nobody else’s', async () => {
    const [one, two] = [await aMember(), await aMember()];
    const [ours, hers] = [fresh('ours'), fresh('hers')];
    await put('ANTHROPIC_API_KEY', ours);
    await put('ANTHROPIC_API_KEY', hers, one);
    await message(await run({ userId: one }));
    await message(await run({ userId: two }));
    await message(await run());
    expect(anthropic.keys).toEqual([hers, ours, ours]);
  });

  it('at its limit holds up nobody else, and the workspace’s other key stands in', async () => {
    const userId = await aMember();
    const [ours, hers] = [fresh('ours'), fresh('hers')];
    await put('ANTHROPIC_API_KEY', ours);
    await put('CLAUDE_CODE_OAUTH_TOKEN', hers, userId);
    anthropic.script = byKey({ [hers]: limited(600), [ours]: fine });
    expect((await message(await run({ userId }))).status).toBe(200);
    expect((await message(await run())).status).toBe(200);
    expect(anthropic.keys).toEqual([hers, ours, ours]);
  });

  it('goes with its member: what they had begun goes on with the workspace’s', async () => {
    const userId = await aMember();
    const ours = fresh('ours');
    await put('ANTHROPIC_API_KEY', ours);
    await put('ANTHROPIC_API_KEY', fresh('hers'), userId);
    await stage.database.query('delete from membership where user_id = $1', [userId]);
    await message(await run({ userId }));
    expect(anthropic.keys).toEqual([ours]);
  });
});
