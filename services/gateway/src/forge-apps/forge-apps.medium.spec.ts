import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import { TestGateway, type SignedInUser } from '../gateway.fixture.js';
import { isPublicAddress } from './manifest-page.js';

const AGENT = { agent: 'command', argv: ['true'] };

describe('a GitHub App', () => {
  let gateway: TestGateway;
  let forge: GitHubDouble;
  let admin: SignedInUser;
  const dir = mkdtempSync(join(tmpdir(), 'capstan-apps-'));
  beforeAll(async () => {
    gateway = await TestGateway.start();
    forge = await startGitHubDouble({ dir });
    await forge.createRepository('acme/app', { files: { 'README.md': 'x' }, private: true });
    await forge.createRepository('acme/other', { files: { 'README.md': 'x' }, private: true });
  });
  beforeEach(async () => {
    admin = await gateway.aUser();
  });
  afterAll(async () => {
    expect(forge.faultsOfOurs).toEqual([]);
    await forge.close();
    await gateway.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const begin = (as = admin) =>
    gateway.ask('POST', '/api/forge-apps/manifests', {
      as,
      json: { apiUrl: `${forge.apiUrl}/`, organization: 'acme' },
    });

  /** As a browser goes: the page, the forge's confirmation, and back with a code. */
  async function confirmed(): Promise<{ code: string; state: string }> {
    const { page } = JSON.parse((await begin()).text) as { page: string };
    const shown = await gateway.ask('GET', page, { as: admin });
    const unescaped = (text: string) => text.replace(/&#(\d+);/g, (_all, code: string) => String.fromCharCode(+code));
    const action = unescaped(/action="([^"]+)"/.exec(shown.text)![1]!);
    const manifest = unescaped(/name="manifest" value="([^"]+)"/.exec(shown.text)![1]!);
    const post = (path: string, fields: Record<string, string>) =>
      fetch(new URL(path, forge.url), { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
    expect((await post(action, { manifest })).status).toBe(200);
    const state = new URL(action).searchParams.get('state')!;
    const { name } = JSON.parse(manifest) as { name: string };
    const done = await post('/organizations/acme/settings/apps/confirm', { manifest, state, name });
    const back = new URL(done.headers.get('location')!);
    expect(back.origin + back.pathname).toBe(`${gateway.url}/settings/github-app`);
    return { code: back.searchParams.get('code')!, state: back.searchParams.get('state')! };
  }

  async function registered() {
    const answer = await gateway.ask('POST', '/api/forge-apps', { as: admin, json: await confirmed() });
    expect([answer.status, answer.text]).toEqual([201, answer.text]);
    return JSON.parse(answer.text) as { id: string; slug: string; credentialSecret: string; installUrl: string };
  }
  const add = (credentialSecret: string, over: Record<string, unknown> = {}) =>
    gateway.ask('POST', '/api/repositories', {
      as: admin,
      json: { fullName: 'acme/app', apiUrl: forge.apiUrl, credentialSecret, agent: AGENT, ...over },
    });

  it('is posted to its forge by a page that can post nowhere else', async () => {
    const { page } = JSON.parse((await begin()).text) as { page: string };
    const shown = await gateway.ask('GET', page, { as: admin });
    const policy = shown.headers.get('content-security-policy')!;
    expect(policy).toContain(`form-action ${forge.url};`);
    expect(policy).toContain("default-src 'none'");
    expect(shown.text).toContain(`action="${forge.url}/organizations/acme/settings/apps/new?state=`);
    // Deliveries can't reach this machine, so none are asked for.
    expect(shown.text).not.toContain('hook_attributes');
  });

  it('is taken over once, by whoever began it, and its secrets have no way out', async () => {
    const back = await confirmed();
    const stranger = await gateway.aUser();
    for (const [as, json] of [
      [stranger, back],
      [admin, { ...back, state: `${back.state}x` }],
      [admin, { ...back, state: 'forged' }],
    ] as const) {
      const refused = await gateway.ask('POST', '/api/forge-apps', { as, json });
      expect([refused.status, refused.body]).toMatchObject([422, { code: 'app_code_refused', field: 'state' }]);
    }
    const taken = await gateway.ask('POST', '/api/forge-apps', { as: admin, json: back });
    expect(taken.body).toMatchObject({ owner: 'acme', deliversWebhooks: false, repositories: 0 });
    const { slug, installUrl, credentialSecret } = JSON.parse(taken.text) as Record<string, string>;
    expect(installUrl).toBe(`${forge.url}/github-apps/${slug}/installations/new`);
    const again = await gateway.ask('POST', '/api/forge-apps', { as: admin, json: back });
    expect([again.status, again.body.code]).toEqual([422, 'app_code_refused']);
    const told = await Promise.all(
      ['/api/forge-apps', '/api/secrets', '/api/auth/status'].map((path) => gateway.ask('GET', path, { as: admin })),
    );
    expect(told.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(told[1]!.text).toContain(credentialSecret);
    for (const { text } of told) expect(text).not.toContain('PRIVATE KEY');
    expect(gateway.lines.join('\n')).not.toContain('PRIVATE KEY');
    const elsewhere = await gateway.ask('GET', '/api/forge-apps', { as: stranger });
    expect(elsewhere.body).toEqual({ items: [] });
  });

  it('connects repositories that it is installed on, and says what is in the way of others', async () => {
    const app = await registered();
    const early = await add(app.credentialSecret);
    expect([early.status, early.body]).toMatchObject([422, { code: 'app_not_installed', field: 'fullName' }]);
    expect(early.body.remedy).toContain(`open the app ${app.slug}`);
    forge.apps.install(app.slug, 'acme', ['acme/app']);
    const shown = await gateway.ask('GET', `/api/forge-apps/${app.id}/installations`, { as: admin });
    expect(shown.body).toMatchObject({ items: [{ account: 'acme', suspended: false, missing: [] }] });
    const made = await add(app.credentialSecret);
    expect([made.status, made.body]).toMatchObject([201, { forgeApp: { id: app.id, slug: app.slug } }]);
    const checked = await gateway.ask('POST', `/api/repositories/${made.body.id as string}/check`, { as: admin });
    expect(checked.body).toMatchObject({ fullName: 'acme/app', private: true });
    const { permissions } = JSON.parse(checked.text) as { permissions: { permission: string }[] };
    expect(permissions.map(({ permission }) => permission)).toContain('Checks: Read and write');
    const other = await add(app.credentialSecret, { fullName: 'acme/other' });
    expect([other.status, other.body.code]).toEqual([422, 'app_not_installed']);
    forge.apps.suspend(app.slug, 'acme', true);
    const suspended = await gateway.ask('POST', `/api/repositories/${made.body.id as string}/check`, { as: admin });
    expect([suspended.status, suspended.body.code]).toEqual([422, 'app_suspended']);
    const kept = await gateway.ask('DELETE', `/api/forge-apps/${app.id}`, { as: admin });
    expect([kept.status, kept.body.code]).toEqual([409, 'forge_app_in_use']);
  });

  it('takes the place of a token, and gives it back', async () => {
    const app = await registered();
    const token = forge.createToken({ login: 'capstan-bot' });
    const made = await add('GITHUB_TOKEN', { token });
    expect(made.body).toMatchObject({ forgeApp: null });
    const address = `/api/repositories/${made.body.id as string}`;
    const patch = (credentialSecret: string, version: number) =>
      gateway.ask('PATCH', address, { as: admin, json: { version, credentialSecret } });
    expect((await patch(app.credentialSecret, 1)).body).toMatchObject({ code: 'app_not_installed' });
    forge.apps.install(app.slug, 'acme', ['acme/app']);
    expect((await patch(app.credentialSecret, 1)).body).toMatchObject({ forgeApp: { slug: app.slug } });
    expect((await patch('GITHUB_TOKEN', 2)).body).toMatchObject({ forgeApp: null });
    expect((await gateway.ask('DELETE', `/api/forge-apps/${app.id}`, { as: admin })).status).toBe(204);
    const secrets = await gateway.ask('GET', '/api/secrets', { as: admin });
    expect(secrets.text).not.toContain(app.credentialSecret);
  });

  it('shows its key to its own forge alone', async () => {
    const app = await registered();
    const elsewhere = await add(app.credentialSecret, { apiUrl: 'http://127.0.0.1:1/api/v3' });
    expect([elsewhere.status, elsewhere.body]).toMatchObject([422, { code: 'app_not_installed', field: 'apiUrl' }]);
    const both = await add(app.credentialSecret, { token: 'ghp_x' });
    expect([both.status, both.body.field]).toEqual([422, 'credentialSecret']);
  });
});

it.each([
  ['https://capstan.acme.io', true],
  ['https://capstan.acme.io:8443', true],
  ['http://127.0.0.1:4400', false],
  ['http://[::1]:4400', false],
  ['http://localhost:4400', false],
  ['https://capstan.internal', false],
  ['https://capstan', false],
])('takes %s for an address of the internet: %s', (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected);
});
