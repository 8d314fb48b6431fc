import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aTask, startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import type { Repository } from '@capstan/database';
import { routes, type Route } from '@capstan/api';
import { Vault } from '@capstan/service-kit';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';

const CANARY = 'ghp_canary5f0e9b1a7c3d4e6f8a9b0c1d2e3f4a5b6c7d';
const AGENT = { agent: 'command', argv: ['true'] };

describe('repositories and secrets', () => {
  let gateway: TestGateway;
  let forge: GitHubDouble;
  let admin: SignedInUser;
  let token: string;
  const dir = mkdtempSync(join(tmpdir(), 'capstan-forge-'));
  beforeAll(async () => {
    gateway = await TestGateway.start();
    forge = await startGitHubDouble({ dir });
    await forge.createRepository('acme/app', { files: { 'README.md': 'x' }, defaultBranch: 'trunk' });
    token = forge.createToken({ login: 'capstan-bot' });
  });
  beforeEach(async () => {
    admin = await gateway.aUser();
  });
  afterAll(async () => {
    await forge.close();
    await gateway.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const add = (over: Record<string, unknown> = {}) =>
    gateway.ask('POST', '/api/repositories', {
      as: admin,
      json: { fullName: 'acme/app', apiUrl: `${forge.apiUrl}/`, token, agent: AGENT, ...over },
    });

  it('keep the hosts that their agents may reach, and refuse what is none by its place', async () => {
    const made = await add({ egressHosts: ['API.Example.com', '*.example.org:8443'] });
    expect(made.body).toMatchObject({ egressHosts: ['api.example.com', '*.example.org:8443'] });
    const address = `/api/repositories/${made.body.id as string}`;
    for (const wrong of ['http://a.example', 'localhost', '*', '10.0.0.1/8', 'a.example:99999x', 'a..b']) {
      const json = { version: 1, egressHosts: ['fine.example', wrong] };
      const refused = await gateway.ask('PATCH', address, { as: admin, json });
      expect([wrong, refused.status, refused.body.issues?.[0]?.field]).toEqual([wrong, 422, 'egressHosts.1']);
    }
    const emptied = await gateway.ask('PATCH', address, { as: admin, json: { version: 1, egressHosts: [] } });
    expect(emptied.body).toMatchObject({ egressHosts: [], version: 2 });
  });

  it('are tried at the forge, then stored with their secrets and their ticket source', async () => {
    const made = await add({
      webhookSecret: 'sixteen-characters-or-more',
      label: 'robots',
      limits: { maxCostUsd: 2.5 },
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      fullName: 'acme/app',
      defaultBranch: 'trunk',
      cloneUrl: `${forge.url}/acme/app.git`,
      webUrl: `${forge.url}/acme/app`,
      webhookUrl: `${gateway.url}/hooks/github/${made.body.id}`,
      webhookSecretSet: true,
      limits: { maxCostUsd: 2.5, maxTurns: 250 },
      version: 1,
    });
    const vault = gateway.get<Vault>(Vault);
    const owner = { workspaceId: admin.workspaceId, repositoryId: made.body.id as string };
    expect(await vault.get({ ...owner, name: 'GITHUB_TOKEN' })).toBe(token);
    expect(await vault.get({ ...owner, name: 'WEBHOOK_SECRET' })).toBe('sixteen-characters-or-more');
    const { body } = await gateway.ask('GET', '/api/ticket-sources', { as: admin });
    expect(body.items).toMatchObject([{ project: 'acme/app', label: 'robots', enabled: true, importedTickets: 0 }]);
    const poll = await gateway.ask('POST', `/api/ticket-sources/${body.items[0]!.id}/poll`, { as: admin });
    expect([poll.status, poll.body]).toEqual([202, { asked: true }]);
    const again = await add();
    expect([again.status, again.body.code, again.body.field]).toEqual([409, 'repository_exists', 'fullName']);
  });

  it('can have their work done by every agent, each with the secrets that it still wants', async () => {
    const agents = async () => {
      const { body } = await gateway.ask('GET', '/api/agents', { as: admin });
      return body.items as unknown as { name: string; credentials: string[]; set: string[] }[];
    };
    const before = await agents();
    expect(before.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['claude-code', 'codex', 'opencode', 'gemini', 'copilot', 'command']),
    );
    expect(before.flatMap(({ set }) => set)).toEqual([]);
    await gateway.ask('PUT', '/api/secrets/OPENAI_API_KEY', { as: admin, json: { value: CANARY } });
    const codex = (await agents()).find(({ name }) => name === 'codex');
    expect(codex).toMatchObject({ credentials: ['OPENAI_API_KEY'], set: ['OPENAI_API_KEY'] });
    expect(JSON.stringify(codex)).not.toContain(CANARY);
    const stranger = await gateway.aUser();
    const { body } = await gateway.ask('GET', '/api/agents', { as: stranger });
    expect((body.items as unknown as { set: string[] }[]).flatMap(({ set }) => set)).toEqual([]);
  });

  it.each([
    [{ agent: 'claude-code', model: 'claude-sonnet-4-5', baseUrl: 'https://models.example/v1' }, 201, undefined],
    [{ agent: 'claude-code', argv: ['true'] }, 422, 'agent'],
    [{ agent: 'codex', env: { OPENAI_API_KEY: 'in plain sight' } }, 422, 'agent.env.OPENAI_API_KEY'],
    [{ agent: 'nobody' }, 422, 'agent.agent'],
  ])('are added with settings that their agent understands: %j', async (settings, status, field) => {
    const answer = await add({ agent: settings });
    expect([answer.status, answer.body.field]).toEqual([status, field]);
  });

  it.each([
    'file:///var/lib/other.git',
    'ssh://git@forge.test/a/b.git',
    'https://user:word@forge.test/a/b.git',
    'javascript:1',
  ])('are refused when their forge would have them cloned from %s', async (cloneUrl) => {
    const asked = await fetch(`${forge.apiUrl}/repos/acme/app`, { headers: { authorization: `Bearer ${token}` } });
    const body = (await asked.json()) as Record<string, unknown>;
    forge.inject({ method: 'GET', path: '/repos/acme/app', status: 200, body: { ...body, clone_url: cloneUrl } });
    const refused = await add();
    expect([refused.status, refused.body.field]).toEqual([422, 'apiUrl']);
    const { body: list } = await gateway.ask('GET', '/api/repositories', { as: admin });
    expect(list.items).toEqual([]);
  });

  it('are refused with the field that is wrong', async () => {
    const reader = forge.createToken({ login: 'reader', permissions: 'read' });
    const refusals: [Record<string, unknown>, string][] = [
      [{ token: 'ghp_wrong' }, 'token'],
      [{ token: reader }, 'token'],
      [{ token: undefined }, 'token'],
      [{ fullName: 'acme/nothing' }, 'fullName'],
      [{ fullName: 'nothing' }, 'fullName'],
      [{ agent: { agent: 'nobody' } }, 'agent.agent'],
      [{ agent: { agent: 'command' } }, 'agent.argv'],
      [{ agent: { ...AGENT, env: { HOME: '/' } } }, 'agent.env.HOME'],
    ];
    for (const [over, field] of refusals) {
      const answer = await add(over);
      expect([over, answer.status, answer.body.field]).toEqual([over, 422, field]);
      expect(answer.body.issues![0]!.field).toBe(field);
    }
    const unreachable = await add({ apiUrl: 'http://127.0.0.1:9' });
    expect([unreachable.status, unreachable.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    expect((await gateway.ask('GET', '/api/repositories', { as: admin })).body.items).toEqual([]);
  });

  it('say which permissions their token lacks, before they are added and afterwards', async () => {
    await forge.createRepository('acme/hidden', { files: { 'README.md': 'x' }, private: true });
    const all = {
      contents: 'write',
      pull_requests: 'write',
      issues: 'write',
      statuses: 'read',
      actions: 'read',
    } as const;
    const narrow = forge.createToken({ login: 'capstan-bot', grants: { ...all, pull_requests: 'read' } });
    const asked = { fullName: 'acme/hidden', apiUrl: forge.apiUrl, token: narrow };
    const check = await gateway.ask('POST', '/api/repositories/check', { as: admin, json: asked });
    expect(check.body).toMatchObject({ fullName: 'acme/hidden', private: true, tokenKind: 'fine-grained' });
    const states = (body: Record<string, unknown>) =>
      (body['permissions'] as { permission: string; state: string }[])
        .filter(({ state }) => state !== 'ok')
        .map(({ permission }) => permission);
    expect(states(check.body)).toEqual(['Pull requests: Read and write', 'Checks: Read-only']);
    const refused = await add(asked);
    expect([refused.status, refused.body.code, refused.body.field]).toEqual([422, 'permission_missing', 'token']);
    expect(refused.body.detail).toBe('The token lacks Pull requests: Read and write for acme/hidden');
    expect(refused.body.issues).toHaveLength(1);
    // The same token, changed at GitHub; checks, which it can't be given, stand in nobody's way.
    forge.changeToken(narrow, { grants: all });
    const made = await add(asked);
    expect(made.status).toBe(201);
    const stored = () => gateway.ask('POST', `/api/repositories/${made.body.id}/check`, { as: admin });
    expect(states((await stored()).body)).toEqual(['Checks: Read-only']);
    forge.changeToken(narrow, { grants: { contents: 'read' } });
    expect(states((await stored()).body)).toEqual([
      'Contents: Read and write',
      'Pull requests: Read and write',
      'Issues: Read and write',
      'Commit statuses: Read-only',
      'Actions: Read-only',
      'Checks: Read-only',
    ]);
    // One that may see nothing of it is told in how many ways that comes.
    const elsewhere = forge.createToken({ login: 'capstan-bot', grants: all, repositories: ['acme/app'] });
    const hidden = await gateway.ask('POST', '/api/repositories/check', {
      as: admin,
      json: { ...asked, token: elsewhere },
    });
    expect([hidden.status, hidden.body.field]).toEqual([422, 'fullName']);
    expect(hidden.body.remedy).toContain('resource owner has to be acme');
    const none = await gateway.ask('POST', '/api/repositories/check', {
      as: admin,
      json: { ...asked, token: undefined },
    });
    expect([none.status, none.body.code, none.body.field]).toEqual([422, 'credential_missing', 'token']);
    const stranger = await gateway.aUser();
    const other = await gateway.ask('POST', `/api/repositories/${made.body.id}/check`, { as: stranger });
    expect(other.status).toBe(404);
  });

  it('have a guide to a token that does', async () => {
    const { body } = await gateway.ask(
      'GET',
      '/api/token-guide?fullName=acme%2Fapp&watchIssues=false&allowWorkflowChanges=true',
      { as: admin },
    );
    const guide = body as unknown as { newTokenUrl: string; needs: { permission: string }[] };
    expect(guide.newTokenUrl).toMatch(/^https:\/\/github\.com\/settings\/personal-access-tokens\/new\?/);
    expect(guide.needs.map(({ permission }) => permission)).toEqual([
      'Metadata: Read-only',
      'Contents: Read and write',
      'Pull requests: Read and write',
      'Commit statuses: Read-only',
      'Actions: Read-only',
      'Checks: Read-only',
      'Workflows: Read and write',
    ]);
  });

  it("take the workspace's token when none is sent", async () => {
    await gateway.ask('PUT', '/api/secrets/GITHUB_TOKEN', { as: admin, json: { value: token } });
    expect((await add({ token: undefined, watchIssues: false })).status).toBe(201);
    expect((await gateway.ask('GET', '/api/ticket-sources', { as: admin })).body.items).toEqual([]);
  });

  it('are changed by whoever read them last, and removed when nothing of them is alive', async () => {
    const { body } = await add();
    const path = `/api/repositories/${body.id}`;
    const change = {
      version: 1,
      instructions: 'Be brief',
      maxPodInstances: 3,
      image: null,
      limits: { maxRunMinutes: 5 },
    };
    const changed = await gateway.ask('PATCH', path, { as: admin, json: change });
    expect(changed.body).toMatchObject({
      version: 2,
      instructions: 'Be brief',
      maxPodInstances: 3,
      limits: { maxRunMinutes: 5, maxTurns: 250 },
    });
    const stale = await gateway.ask('PATCH', path, { as: admin, json: { version: 1, autoMerge: false } });
    expect([stale.status, stale.body.code, stale.body.detail]).toEqual([
      409,
      'version_conflict',
      expect.stringContaining('version 2'),
    ]);
    const [row] = await gateway.database.query<Repository>('select * from repository where id = $1', [body.id]);
    const task = await aTask(gateway.database, row!);
    expect((await gateway.ask('DELETE', path, { as: admin })).body.code).toBe('repository_in_use');
    await gateway.database.query(`update task set state = 'cancelled' where id = $1`, [task.id]);
    expect((await gateway.ask('DELETE', path, { as: admin })).status).toBe(204);
    expect((await gateway.ask('GET', path, { as: admin })).status).toBe(404);
    expect((await gateway.ask('GET', `/api/tasks/${task.id}`, { as: admin })).body.repository.fullName).toBe(
      'acme/app',
    );
    expect((await add()).status).toBe(201);
  });

  it('show a secret nowhere: no answer, no page, no log line', async () => {
    const canaryToken = await canaryForge(CANARY);
    try {
      const url = `http://127.0.0.1:${(canaryToken.address() as AddressInfo).port}`;
      const seen: string[] = [];
      const ask = async (...parameters: Parameters<TestGateway['ask']>) => {
        const answer = await gateway.ask(...parameters);
        seen.push(answer.text, JSON.stringify([...answer.headers]));
        return answer;
      };
      const json = { fullName: 'acme/app', apiUrl: url, token: CANARY, webhookSecret: `${CANARY}-hook`, agent: AGENT };
      const made = await ask('POST', '/api/repositories', { as: admin, json });
      expect(made.status).toBe(201);
      await ask('POST', '/api/repositories', { as: admin, json: { ...json, fullName: 'acme/refused' } });
      await ask('POST', '/api/repositories', { as: admin, json: { ...json, surplus: CANARY } });
      await ask('PUT', '/api/secrets/CANARY', { as: admin, json: { value: CANARY } });
      await ask('PUT', '/api/secrets/CANARY', { as: admin, json: { value: [CANARY] } });
      await ask('PUT', '/api/secrets/CANARY', { as: admin, raw: `{"value":"${CANARY}"` });
      await ask('POST', '/api/sign-in', { json: { email: 'a@example.org', password: CANARY } });
      await ask('GET', '/api/me', { headers: { authorization: `Bearer ${CANARY}` } });
      for (const route of Object.values(routes) as Route[])
        if (route.method === 'GET')
          await ask('GET', route.path.replace(':repositoryId', made.body.id).replace(/:\w+/, made.body.id), {
            as: admin,
          });
      for (const path of ['/', '/tasks', '/healthz', '/api/openapi.json', '/api/docs'])
        await ask('GET', path, { as: admin });
      const rows = await gateway.database.query<{ all: string }>(
        'select to_jsonb(x)::text as all from (select * from audit) x union all select to_jsonb(x)::text from (select * from outbox) x',
      );
      expect(seen.length).toBeGreaterThan(50);
      expect(gateway.lines.length).toBeGreaterThan(20);
      const told = [...seen, ...gateway.lines, ...rows.map(({ all }) => all)];
      expect(told.filter((text) => text.includes(CANARY.slice(0, 20)))).toEqual([]);
    } finally {
      canaryToken.close();
    }
  });
});

/** A forge that knows one token, and says it again in what it refuses. */
async function canaryForge(canary: string): Promise<Server> {
  const server = createServer((request, response) => {
    const found = request.url?.endsWith('/repos/acme/app') && request.headers.authorization?.includes(canary);
    response.statusCode = found ? 200 : 404;
    response.setHeader('content-type', 'application/json');
    const url = `http://127.0.0.1/acme/app`;
    response.end(
      JSON.stringify(
        found
          ? {
              full_name: 'acme/app',
              default_branch: 'main',
              clone_url: `${url}.git`,
              private: false,
              permissions: { push: true },
            }
          : { message: 'Not Found' },
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
