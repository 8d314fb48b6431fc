import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, migrate, newId, type AgentRequest, type Repository } from '@capstan/database';
import { createRuntime, type Runtime, type RuntimeConfig } from '@capstan/runtimes';
import { Vault, openLogger, type Identity } from '@capstan/service-kit';
import { supervisorFile } from '@capstan/supervisor';
import { aRepository, bubblewrap, eventually, testDatabase } from '@capstan/test-support';
import type { AgentRunnerConfig } from '../agent-runner.config.js';
import type { LookAtAgents } from '../look-at-agents/look-at-agents.loop.js';
import { FakePrograms } from '../scratch-pod/fake-claude.fixture.js';
import { AgentRequests } from './agent-requests.js';
import { claimRequest } from './agent-requests.apply.js';
import { testAgent, type TestPorts } from './test-agent.js';

jest.setTimeout(60_000);

const PLACEHOLDER = 'cap_run_spec';
let server: Awaited<ReturnType<typeof testDatabase>>;
let database: Database;
let vault: Vault;
let data: string;
let programs: FakePrograms;
let repository: Repository;
/** Egress, as far as an agent sees it. */
let egress: { server: Server; url: string; readonly asked: IncomingHttpHeaders[]; status: number };

beforeAll(async () => {
  server = await testDatabase({ migrate });
  database = await Database.open({ url: server.url });
  vault = new Vault(database, randomBytes(32).toString('base64'));
  data = mkdtempSync(join(realpathSync(tmpdir()), 'capstan-test-agent-'));
  programs = new FakePrograms();
  const asked: IncomingHttpHeaders[] = [];
  const listener: RequestListener = (request, response) => {
    asked.push(request.headers);
    response.writeHead(egress.status).end(egress.status === 200 ? '{"text":"OK"}' : 'invalid x-api-key');
  };
  const http = createServer(listener);
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  egress = { server: http, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, asked, status: 200 };
});
afterAll(async () => {
  programs.close();
  await new Promise((done) => egress.server.close(done));
  await database.close();
  await server.close();
  rmSync(data, { recursive: true, force: true });
});
beforeEach(async () => {
  await database.query('truncate workspace, outbox cascade');
  repository = await aRepository(database, { agent: { agent: 'claude-code' } });
  egress.asked.length = 0;
  egress.status = 200;
  programs.install('claude');
});

const setSecret = (name: string, value = 'sk-real') =>
  database.transaction((tx) => vault.put(tx, { workspaceId: repository.workspaceId, repositoryId: null, name }, value));
const aRuntime = (isolation?: Extract<RuntimeConfig, { kind: 'local' }>['isolation']): Runtime =>
  createRuntime({
    ...{ kind: 'local' as const, directory: join(data, 'pods'), supervisorFile: supervisorFile() },
    ...(isolation && { isolation }),
  });
const ports = (over: Partial<TestPorts> = {}): TestPorts => ({
  ...{ database, vault, runtime: aRuntime(), logInHome: undefined, report: () => undefined },
  egress: () => ({ url: `${egress.url}`, token: PLACEHOLDER }),
  ...over,
});
const aTest = (settings = { agent: 'claude-code' }) => ({
  ...{
    id: newId(),
    workspaceId: repository.workspaceId,
    repositoryId: null,
    actor: { kind: 'service' as const, id: 'spec' },
    settings,
  },
});
const signal = new AbortController().signal;

describe('a test of an agent', () => {
  it('gives it one line, by the way of every run, with a placeholder for the key', async () => {
    await setSecret('ANTHROPIC_API_KEY');
    const runtime = aRuntime();
    const answer = await testAgent(ports({ runtime }), aTest(), signal);
    expect(answer).toMatchObject({
      ok: true,
      words: 'OK',
      costUsd: '0.0125',
      isolation: 'not_isolated',
      failure: null,
    });
    expect(answer.durationMs).toBeGreaterThan(0);
    expect(egress.asked).toMatchObject([{ 'x-api-key': PLACEHOLDER }]);
    expect(await runtime.list({})).toEqual([]); // nothing is left of it
  });

  it('is isolated where agents are, and reaches egress alone', async () => {
    await setSecret('ANTHROPIC_API_KEY');
    const socket = join(data, 'egress', 'egress.sock');
    mkdirSync(join(data, 'egress'), { recursive: true });
    const inside = createServer((request, response) => {
      egress.asked.push(request.headers);
      response.end('{"text":"OK"}');
    });
    await new Promise<void>((done) => inside.listen(socket, done));
    try {
      const isolation = {
        ...{ mode: 'require' as const, bwrap: bubblewrap(), hidden: [data], readable: [], unreachable: [] },
        egress: { socket, port: 4403 },
      };
      const answer = await testAgent(
        ports({ runtime: aRuntime(isolation), egress: () => ({ url: 'http://127.0.0.1:4403', token: PLACEHOLDER }) }),
        aTest(),
        signal,
      );
      expect(answer).toMatchObject({ ok: true, words: 'OK', isolation: 'isolated', failure: null });
      expect(egress.asked.at(-1)).toMatchObject({ 'x-api-key': PLACEHOLDER });
    } finally {
      await new Promise((done) => inside.close(done));
    }
  });

  it('hears an answer that comes in pieces as one', async () => {
    await setSecret('GEMINI_API_KEY');
    const event = (more: object) =>
      `console.log('${JSON.stringify({ type: 'message', role: 'assistant', ...more })}');`;
    const pieces = [event({ content: 'Let me see.' }), event({ content: 'O' }), event({ content: 'K.', delta: true })];
    const last = `console.log('${JSON.stringify({ type: 'result', status: 'success', stats: {} })}');`;
    programs.install('gemini', { text: `#!/usr/bin/env node\n${[...pieces, last].join('\n')}\n` });
    expect(await testAgent(ports(), aTest({ agent: 'gemini' }), signal)).toMatchObject({ ok: true, words: 'OK.' });
    programs.remove('gemini');
  });

  it('says what its provider refused, in the words of the agent', async () => {
    await setSecret('ANTHROPIC_API_KEY');
    egress.status = 401;
    const { ok, failure } = await testAgent(ports(), aTest(), signal);
    expect({ ok, failure }).toMatchObject({
      ok: false,
      failure: { code: 'agent_credential_refused', detail: expect.stringContaining('invalid x-api-key') },
    });
  });

  it('ends an agent that does not answer', async () => {
    await setSecret('ANTHROPIC_API_KEY');
    programs.install('claude', { mode: 'hangs' });
    const runtime = aRuntime();
    const answer = await testAgent(ports({ runtime }), { ...aTest(), withinMs: 300 }, signal);
    expect(answer).toMatchObject({ ok: false, failure: { code: 'agent_test_timeout' } });
    expect(answer.failure!.remedy).not.toBeNull();
    expect(await runtime.list({})).toEqual([]);
  });

  it('says that its program is not there', async () => {
    await setSecret('OPENAI_API_KEY');
    const answer = await testAgent(ports(), aTest({ agent: 'codex' }), signal);
    expect(answer).toMatchObject({ ok: false, failure: { code: 'agent_not_found' } });
  });

  it('starts nothing where a credential is missing, and names it', async () => {
    const answer = await testAgent(ports(), aTest(), signal);
    expect(answer).toMatchObject({
      ok: false,
      durationMs: null,
      failure: { code: 'credential_missing', detail: expect.stringContaining('ANTHROPIC_API_KEY') },
    });
    expect(egress.asked).toEqual([]);
  });
});

describe('a log-in of this machine', () => {
  const HOUR = 3_600_000;
  function home(expiresAt: number): string {
    const directory = mkdtempSync(join(data, 'home-'));
    mkdirSync(join(directory, '.claude'));
    const claudeAiOauth = { accessToken: 'sk-ant-oat01-own', expiresAt };
    writeFileSync(join(directory, '.claude', '.credentials.json'), JSON.stringify({ claudeAiOauth }));
    return directory;
  }

  it('stands in for a secret that is not set, and the agent sees a placeholder as ever', async () => {
    const answer = await testAgent(ports({ logInHome: home(Date.now() + HOUR) }), aTest(), signal);
    expect(answer).toMatchObject({ ok: true, words: 'OK' });
    expect(egress.asked).toMatchObject([{ 'x-api-key': PLACEHOLDER }]);
    expect(JSON.stringify(egress.asked)).not.toContain('own');
  });

  it('that has expired is an answer with the command that renews it', async () => {
    const { failure } = await testAgent(ports({ logInHome: home(Date.now() - HOUR) }), aTest(), signal);
    expect(failure).toMatchObject({ code: 'log_in_expired', remedy: expect.stringContaining('claude -p OK') });
  });

  it('is not for an address of somebody’s choice', async () => {
    const settings = { agent: 'claude-code', baseUrl: 'https://models.example' };
    const { failure } = await testAgent(ports({ logInHome: home(Date.now() + HOUR) }), aTest(settings), signal);
    expect(failure).toMatchObject({ code: 'credential_missing' });
  });
});

describe('requests', () => {
  const report: string[] = [];
  const logger = openLogger({ format: 'json', level: 'error', secrets: [], write: (line) => void report.push(line) });
  const config = (): AgentRunnerConfig =>
    ({
      CAPSTAN_EGRESS_URL: egress.url,
      CAPSTAN_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    }) as AgentRunnerConfig;
  const looks: boolean[] = [];
  const look = { pass: (anew: boolean) => Promise.resolve(void looks.push(anew)) } as unknown as LookAtAgents;
  const runner = (instance = 'one') =>
    new AgentRequests(database, look, vault, aRuntime(), config(), logger, { instance } as Identity);
  const asked = async (over: Partial<AgentRequest> = {}): Promise<string> => {
    const id = newId();
    const row = { kind: 'test', agent: 'claude-code', createdAt: new Date(), ...over };
    await database.query(
      `insert into agent_request (id, workspace_id, kind, agent, actor, created_at) values ($1,$2,$3,$4,'{"kind":"service","id":"spec"}',$5)`,
      [id, repository.workspaceId, row.kind, row.agent, row.createdAt],
    );
    return id;
  };
  const readRequest = async (id: string): Promise<AgentRequest> =>
    (await database.query<AgentRequest>('select * from agent_request where id = $1', [id]))[0]!;

  it('are carried out once, whoever is woken, and answered with an event', async () => {
    await setSecret('ANTHROPIC_API_KEY');
    const id = await asked();
    const [one, other] = [runner('one'), runner('other')];
    await Promise.all([one.begin(id), other.begin(id), one.begin(id)]);
    await Promise.all([one.drain(), other.drain()]);
    const row = await readRequest(id);
    expect(row).toMatchObject({ answer: { ok: true, words: 'OK' }, claimedUntil: null });
    expect(egress.asked).toHaveLength(1);
    expect(await database.query(`select payload from outbox where subject like '%agent.changed%'`)).toMatchObject([
      { payload: { agent: 'claude-code', requestId: id } },
    ]);
    expect(await one.due(10)).toEqual([]);
  });

  it('of a runner that died, or that nobody was there for, are answered and not begun again', async () => {
    await setSecret('ANTHROPIC_API_KEY');
    const died = await asked();
    await claimRequest(database, died, 'dead');
    await database.query(`update agent_request set claimed_until = clock_timestamp() - interval '1 s' where id = $1`, [
      died,
    ]);
    const late = await asked({ agent: 'codex', createdAt: new Date(Date.now() - 600_000) });
    const one = runner();
    for (const { id } of await one.due(10)) await one.begin(id);
    await one.drain();
    for (const id of [died, late])
      expect((await readRequest(id)).answer).toMatchObject({ ok: false, failure: { code: 'agent_test_lost' } });
    expect(egress.asked).toEqual([]);
  });

  it('that are under way when the runner stops are answered so, and nothing of them goes on', async () => {
    await setSecret('ANTHROPIC_API_KEY');
    programs.install('claude', { mode: 'hangs' });
    const id = await asked();
    const one = runner();
    await one.begin(id);
    await eventually(async () => expect(await aRuntime().list({})).toHaveLength(1));
    await one.beforeApplicationShutdown();
    expect((await readRequest(id)).answer).toMatchObject({ failure: { code: 'agent_test_lost' } });
    expect(await aRuntime().list({})).toEqual([]);
  });

  it('of which there are more than a runner has places for are begun as places come free', async () => {
    const ids = [await asked(), await asked({ agent: 'codex' }), await asked({ agent: 'gemini' })];
    const one = runner();
    for (const id of ids) await one.begin(id);
    expect((await readRequest(ids[2]!)).owner).toBeNull();
    await eventually(async () => {
      for (const id of ids) expect((await readRequest(id)).answer).toMatchObject({ ok: false });
    });
  });

  it('for a look ask every program anew', async () => {
    const id = await asked({ kind: 'look', agent: null });
    const one = runner();
    await one.begin(id);
    await one.drain();
    expect(looks).toEqual([true]);
    expect((await readRequest(id)).answeredAt).not.toBeNull();
  });
});
