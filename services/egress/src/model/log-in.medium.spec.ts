import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_TEST_CALLS } from '@capstan/domain';
import { newId, type AgentSettingsJson, type Repository } from '@capstan/database';
import { runToken } from '@capstan/service-kit';
import { aRepository } from '@capstan/test-support';
import { aStage, viaProxy, type Stage } from '../egress.fixture.js';
import { ProviderDouble, answerJson, ask } from './provider.fixture.js';
import { PROVIDERS } from './provider.js';

jest.setTimeout(60_000);

const OWN = 'sk-ant-oat01-own';
let stage: Stage;
let provider: ProviderDouble;
let home: string;

beforeAll(async () => {
  provider = await ProviderDouble.start();
  home = mkdtempSync(join(tmpdir(), 'egress-home-'));
  const baseUrl = provider.url;
  stage = await aStage({
    privateHosts: new URL(baseUrl).host,
    providers: { ...PROVIDERS, anthropic: { ...PROVIDERS.anthropic, baseUrl } },
    logInHome: home,
  });
});
afterAll(async () => {
  await stage.close();
  await provider.place.close();
  rmSync(home, { recursive: true });
});
beforeEach(() => {
  provider.asked.length = 0;
  provider.script = answerJson(200, { type: 'message', model: 'claude-x', usage: {} });
  logIn(Date.now() + 3_600_000);
});

function logIn(expiresAt: number): void {
  mkdirSync(join(home, '.claude'), { recursive: true });
  const claudeAiOauth = { accessToken: OWN, expiresAt };
  writeFileSync(join(home, '.claude', '.credentials.json'), JSON.stringify({ claudeAiOauth }));
}
const call = (token: string, path = 'anthropic/v1/messages') =>
  ask(`${stage.egress.server.url}/model/${path}`, { authorization: `Bearer ${token}` }, '{"model":"claude-x"}');
const aRun = async (agent: AgentSettingsJson) => {
  const { run, repository } = await stage.aRun({}, { agent });
  return { token: stage.token(run), repository };
};
async function put(repository: Repository, name: string, value: string): Promise<void> {
  const { workspaceId, id: repositoryId } = repository;
  await stage.database.transaction((tx) => stage.vault.put(tx, { workspaceId, repositoryId, name }, value));
}

/** Another stage's home is read anew: what was read is kept for three seconds. */
async function withFreshHome<T>(work: (fresh: Stage) => Promise<T>): Promise<T> {
  const fresh = await aStage({ logInHome: home });
  try {
    return await work(fresh);
  } finally {
    await fresh.close();
  }
}

describe('the log-in of an agent’s program', () => {
  it('stands in for a key that is not set, and only its own agent’s', async () => {
    const { token } = await aRun({ agent: 'claude-code' });
    expect((await call(token)).status).toBe(200);
    expect(provider.asked[0]!.headers).toMatchObject({ authorization: `Bearer ${OWN}` });
    const other = await aRun({ agent: 'opencode' });
    expect(await call(other.token)).toMatchObject({ status: 401, headers: { 'x-capstan-egress': 'key_missing' } });
    expect(stage.log.join('')).not.toContain(OWN);
  });

  it('comes after every secret', async () => {
    const { token, repository } = await aRun({ agent: 'claude-code' });
    await put(repository, 'ANTHROPIC_API_KEY', 'sk-ant-secret');
    await call(token);
    expect(provider.asked[0]!.headers).toMatchObject({ 'x-api-key': 'sk-ant-secret' });
    provider.script = answerJson(401, { error: 'no' });
    expect((await call(token)).status).toBe(401);
    expect(JSON.stringify(provider.asked)).not.toContain(OWN);
  });

  it('is not for another kind than was chosen', async () => {
    const { token, repository } = await aRun({ agent: 'claude-code' });
    await put(repository, 'CLAUDE_AUTH_MODE', 'api-key');
    expect((await call(token)).status).toBe(401);
    expect(provider.asked).toEqual([]);
  });

  it('never goes to an address that somebody has set', async () => {
    const { token } = await aRun({ agent: 'claude-code', baseUrl: provider.url });
    expect(await call(token)).toMatchObject({ status: 401, headers: { 'x-capstan-egress': 'key_missing' } });
    expect(provider.asked).toEqual([]);
  });

  it('that has expired is refused with the command that renews it', () =>
    withFreshHome(async (fresh) => {
      logIn(Date.now() - 1);
      fresh.names.set('api.anthropic.com', ['8.8.8.8']);
      const { run } = await fresh.aRun({}, { agent: { agent: 'claude-code' } });
      const answer = await ask(`${fresh.egress.server.url}/model/anthropic/v1/messages`, {
        'x-api-key': fresh.token(run),
      });
      expect(answer.status).toBe(401);
      expect(answer.body).toContain('claude -p OK');
    }));
});

describe('a test of an agent', () => {
  async function aTest(over: { answered?: boolean; lapsed?: boolean } = {}): Promise<string> {
    const { workspaceId } = await aRepository(stage.database);
    const id = newId();
    await stage.database.query(
      `insert into agent_request (id, workspace_id, kind, agent, actor, claimed_until, answered_at)
       values ($1, $2, 'test', 'claude-code', '{"kind":"service","id":"spec"}', clock_timestamp() + $3::interval, $4)`,
      [id, workspaceId, over.lapsed === true ? '-1 s' : '1 min', over.answered === true ? new Date() : null],
    );
    return runToken(stage.encryptionKey, id);
  }

  it('may ask what a run may, and nothing of it is recorded as one', async () => {
    const recorded = async () => {
      await stage.egress.record();
      return stage.database.query('select 1 from run_network union all select 1 from model_use');
    };
    const before = await recorded();
    const token = await aTest();
    expect((await call(token)).status).toBe(200);
    const blocked = await viaProxy(stage.egress.server.url, 'http://evil.example/', token);
    expect(blocked.status).toBe(403);
    expect(await recorded()).toHaveLength(before.length);
  });

  it('asks a few times at most', async () => {
    const token = await aTest();
    const statuses: number[] = [];
    for (let n = 0; n <= AGENT_TEST_CALLS; n += 1) statuses.push((await call(token)).status);
    expect(statuses).toEqual([...Array<number>(AGENT_TEST_CALLS).fill(200), 403]);
  });

  it.each([{ answered: true }, { lapsed: true }])('gets nothing once it is over: %j', async (over) => {
    expect(await call(await aTest(over))).toMatchObject({ status: 401, headers: { 'x-capstan-egress': 'run_over' } });
  });
});
