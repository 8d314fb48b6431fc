import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FORGE_PURPOSES, ForgeAppCredential } from '@capstan/domain';
import { startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import type { Forge, ForgeConnection } from '../../forge.port.js';
import { createGitHubForge } from '../github.adapter.js';
import { APP_PERMISSIONS } from './permissions-needed.js';

const fullName = 'acme/app';
let directory: string;
let double: GitHubDouble;
let forge: Forge;
let app: ForgeAppCredential;
let skewMs = 0;
let theirsMs = 0;
let apps = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'capstan-app-'));
  double = await startGitHubDouble({ dir: directory, now: () => Date.now() + theirsMs });
  await double.createRepository(fullName, { files: { 'README.md': 'App\n' }, private: true });
  await double.createRepository('acme/other', { files: { 'README.md': 'Other\n' }, private: true });
});
afterAll(async () => {
  await double.close();
  await rm(directory, { recursive: true, force: true });
  expect(double.faultsOfOurs).toEqual([]);
});
beforeEach(() => {
  [skewMs, theirsMs] = [0, 0];
  forge = createGitHubForge({ now: () => Date.now() + skewMs });
  app = register();
  double.apps.install(app.slug, 'acme', [fullName]);
});

function register(permissions = APP_PERMISSIONS): ForgeAppCredential {
  const made = double.apps.create({ owner: 'acme', name: `Capstan ${(apps += 1)}`, permissions });
  const { id: appId, slug } = made.app;
  return { kind: 'app', appId, slug, apiUrl: double.apiUrl, privateKey: made.pem, secret: 'GITHUB_APP_1_KEY' };
}
const request = () => ({ fullName, apiUrl: double.apiUrl, credential: app });
const token = (purpose: (typeof FORGE_PURPOSES)[number] = 'publish') => forge.token(request(), purpose);
const connection = (own: string): ForgeConnection => ({
  ...{ fullName, apiUrl: double.apiUrl, cloneUrl: `${double.url}/${fullName}.git`, token: own },
  ownAppIds: [app.appId],
});
const asked = (path: RegExp) =>
  double.journal.filter((entry) => entry.kind === 'request' && path.test(entry.path)).length;
const tip = async (own: string, branch = 'main') => {
  const answer = await fetch(`${double.apiUrl}/repos/${fullName}/branches/${branch}`, {
    headers: { authorization: `Bearer ${own}` },
  });
  return ((await answer.json()) as { commit: { sha: string } }).commit.sha;
};

it('registers by a form that a person confirms, and exchanges the code once', async () => {
  const returnUrl = 'http://127.0.0.1:4400/settings/github-app';
  const wanted = { apiUrl: double.apiUrl, name: 'Capstan by form', homeUrl: returnUrl, returnUrl, hookUrl: null };
  const form = forge.apps.form({ ...wanted, organization: 'acme', state: 's t' });
  expect(new URL(form.action).pathname).toBe('/organizations/acme/settings/apps/new');
  const post = (action: string, fields: Readonly<Record<string, string>>) =>
    fetch(new URL(action, double.url), { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
  expect((await post(form.action, form.fields)).status).toBe(200);
  const confirmed = await post('/organizations/acme/settings/apps/confirm', {
    ...form.fields,
    name: 'Capstan by form',
    state: 's t',
  });
  const back = new URL(confirmed.headers.get('location')!);
  expect(back.searchParams.get('state')).toBe('s t');
  const code = back.searchParams.get('code')!;
  const registered = await forge.apps.register(double.apiUrl, code);
  expect(registered).toMatchObject({ slug: 'capstan-by-form', owner: 'acme', webhookSecret: null });
  expect(registered.privateKey).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
  await expect(forge.apps.register(double.apiUrl, code)).rejects.toMatchObject({ code: 'app_code_refused' });
  await expect(forge.apps.register(double.apiUrl, '../user')).rejects.toMatchObject({ code: 'app_code_refused' });
});

it('asks for deliveries only where GitHub can reach their address', () => {
  const wanted = { apiUrl: 'https://api.github.com', name: 'Capstan '.repeat(9), homeUrl: 'https://c.example' };
  const form = forge.apps.form({
    ...wanted,
    returnUrl: 'https://c.example/settings',
    hookUrl: 'https://c.example/hooks/github/1',
    organization: null,
    state: 'abc',
  });
  expect(form.action).toBe('https://github.com/settings/apps/new?state=abc');
  expect(JSON.parse(form.fields['manifest']!)).toMatchObject({
    name: expect.stringMatching(/^.{34}$/) as string,
    public: false,
    default_permissions: APP_PERMISSIONS,
    hook_attributes: { url: 'https://c.example/hooks/github/1' },
    default_events: expect.arrayContaining(['check_run', 'issues']) as string[],
  });
  expect(forge.apps.installationUrl({ apiUrl: 'https://api.github.com', slug: 'x' })).toBe(
    'https://github.com/apps/x/installations/new',
  );
  expect(forge.apps.installationUrl({ apiUrl: 'https://ghe.example/api/v3', slug: 'x' })).toBe(
    'https://ghe.example/github-apps/x/installations/new',
  );
});

describe('a token of an installation', () => {
  it('is made once, however many ask, and again five minutes before it expires', async () => {
    const before = asked(/access_tokens/);
    const [one, other] = await Promise.all([token(), token()]);
    expect(other).toBe(one);
    expect(await token()).toBe(one);
    skewMs = 54 * 60_000;
    expect(await token()).toBe(one);
    expect(asked(/access_tokens/) - before).toBe(1);
    skewMs = theirsMs = 56 * 60_000;
    expect(await token()).not.toBe(one);
  });

  it('of reading refuses a write, that of another purpose does it', async () => {
    const sha = await tip(await token('fetch'));
    const wish = { title: 'T', body: '', head: 'x', base: 'main', draft: false };
    await double.actingAs('ada').pushFile(fullName, 'x', 'x.txt', 'x');
    await expect(forge.open(connection(await token('follow')), wish)).rejects.toMatchObject({
      code: 'permission_missing',
      message: expect.stringContaining('Resource not accessible by integration') as string,
    });
    const opened = await forge.open(connection(await token('publish')), wish);
    expect(opened).toMatchObject({ kind: 'done' });
    expect(sha).toMatch(/^[0-9a-f]{40}$/);
  });

  it('is good for one repository', async () => {
    double.apps.install(app.slug, 'acme', 'all');
    const elsewhere = { ...connection(await token('look')), fullName: 'acme/other' };
    await expect(forge.repository(elsewhere)).rejects.toMatchObject({ code: 'remote_not_found' });
    expect(await forge.repository(connection(await token('look')))).toMatchObject({ fullName });
  });

  it('that was refused is not used again', async () => {
    const [publishing, looking] = [await token('publish'), await token('look')];
    double.apps.uninstall(app.slug, 'acme');
    await expect(forge.repository(connection(looking))).rejects.toMatchObject({ code: 'credential_refused' });
    await expect(token('look')).rejects.toMatchObject({ code: 'app_not_installed' });
    double.apps.install(app.slug, 'acme', [fullName]);
    expect(await token('look')).not.toBe(looking);
    expect(await token('publish')).not.toBe(publishing);
  });

  it('is made at the forge of the app alone', async () => {
    const elsewhere = { ...request(), apiUrl: 'http://127.0.0.1:1/api/v3' };
    await expect(forge.token(elsewhere, 'fetch')).rejects.toMatchObject({ code: 'app_not_installed', field: 'apiUrl' });
  });

  it('of a person is the person’s', async () => {
    expect(await forge.token({ ...request(), credential: { kind: 'token', token: 'ghp_1' } }, 'fetch')).toBe('ghp_1');
  });
});

describe('what stands in the way', () => {
  it('is the app that is not installed there', async () => {
    double.apps.install(app.slug, 'acme', ['acme/other']);
    await expect(token()).rejects.toMatchObject({ code: 'app_not_installed' });
    await expect(forge.apps.assertReady(app, fullName)).rejects.toMatchObject({ code: 'app_not_installed' });
  });

  it('is a suspended installation', async () => {
    double.apps.suspend(app.slug, 'acme', true);
    await expect(token()).rejects.toMatchObject({ code: 'app_suspended' });
    expect(await forge.apps.installations(app)).toMatchObject([{ account: 'acme', suspended: true, missing: [] }]);
    double.apps.suspend(app.slug, 'acme', false);
    expect(await token()).toMatch(/^ghs_/);
  });

  it('is a permission that the installation lacks, by its name on the app’s page', async () => {
    const { checks: _checks, ...fewer } = APP_PERMISSIONS;
    app = register({ ...fewer, contents: 'read' });
    double.apps.install(app.slug, 'acme', [fullName]);
    expect(await token('fetch')).toMatch(/^ghs_/);
    const missing = [{ message: 'Contents: Read and write' }, { message: 'Checks: Read and write' }];
    await expect(token('check')).rejects.toMatchObject({ code: 'app_permission_missing', issues: missing.slice(1) });
    await expect(forge.apps.assertReady(app, fullName)).rejects.toMatchObject({ issues: missing });
    expect(await forge.apps.installations(app)).toMatchObject([
      { missing: missing.map(({ message }) => message), allRepositories: false },
    ]);
  });

  it.each([-20, 20])('is a clock that is %d minutes off', async (minutes) => {
    skewMs = minutes * 60_000;
    await expect(token()).rejects.toMatchObject({
      code: 'app_clock_skewed',
      message: expect.stringMatching(minutes > 0 ? /120\d s ahead of GitHub's/ : /1(19|20)\d s behind/) as string,
    });
  });

  it('is a key that was revoked', async () => {
    double.apps.app(app.slug).keys = [];
    await expect(token()).rejects.toMatchObject({ code: 'app_key_refused', field: 'GITHUB_APP_1_KEY' });
  });
});

it('reports on a commit once, and never takes its own report for a check', async () => {
  const branch = 'reported';
  await double.actingAs('ada').pushFile(fullName, branch, 'y.txt', 'y');
  const own = connection(await token('check'));
  const sha = await tip(await token('fetch'), branch);
  const url = 'https://capstan.test/tasks/1';
  const wish = { sha, name: 'Capstan', title: 'Task 1', summary: 'Fix', url, marker: 'mark-1' };
  expect(await forge.findReport(own, sha, 'mark-1')).toBeNull();
  const { id } = await forge.report(own, wish);
  expect(await forge.findReport(own, sha, 'mark-1')).toEqual({ id });
  expect(await forge.findReport(own, sha, 'mark-2')).toBeNull();
  expect(await forge.findReport({ ...own, ownAppIds: [] }, sha, 'mark-1')).toBeNull();
  const opened = await forge.open(connection(await token('publish')), {
    ...{ title: 'T', body: '', head: branch, base: 'main', draft: false },
  });
  const { number } = (opened as { value: { number: number } }).value;
  const view = async () => forge.view(connection(await token('follow')), number);
  expect((await view()).checks).toEqual({ known: true, value: [] });
  double.branchRules(fullName, 'main', { requiredChecks: ['Capstan', 'test'] });
  expect((await view()).missingRequired).toEqual({ known: true, value: ['test'] });
  const stranger = { ...connection(await token('follow')), ownAppIds: [] };
  expect((await forge.view(stranger, number)).checks).toMatchObject({
    value: [{ name: 'Capstan', state: 'neutral', url }],
  });
  double.branchRules(fullName, 'main', {});
});

it('may not report with a person’s token', async () => {
  const person = double.createToken({ login: 'ada', grants: { contents: 'write', pull_requests: 'write' } });
  const sha = await tip(await token('fetch'));
  await expect(
    forge.report(connection(person), {
      sha,
      name: 'Capstan',
      title: '',
      summary: '',
      url: 'https://x.test',
      marker: 'm',
    }),
  ).rejects.toMatchObject({ code: 'permission_missing' });
});
