import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import type { ForgeAccess } from '../forge.port.js';
import { createGitHubForge } from './github.adapter.js';
import { neededPermissions, tokenGuide } from './permissions.js';

const ALL = { contents: 'write', pull_requests: 'write', issues: 'write', statuses: 'read', actions: 'read' } as const;
const uses = { tickets: true, workflows: false };

describe('access to GitHub', () => {
  let directory: string;
  let double: GitHubDouble;
  const git = createGitHubForge();
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'capstan-github-access-'));
    double = await startGitHubDouble({ dir: directory });
    await double.createRepository('acme/app', { files: { a: 'a\n' }, private: true });
    await double.createRepository('acme/open', { files: { a: 'a\n' } });
  });
  afterAll(async () => {
    await double.close();
    await rm(directory, { recursive: true, force: true });
    expect(double.faultsOfOurs).toEqual([]);
  });

  const at = (token: string, fullName = 'acme/app') => ({
    ...{ fullName, token, apiUrl: double.apiUrl },
    cloneUrl: `${double.url}/${fullName}.git`,
  });
  const short = ({ permissions }: ForgeAccess) => permissions.map(({ permission, state }) => `${permission} ${state}`);
  const one = ({ permissions }: ForgeAccess, title: string) =>
    permissions.find(({ permission }) => permission.startsWith(title))!;

  it("gives GitHub's words, and where the token is changed", async () => {
    const token = double.createToken({ login: 'bot', grants: { ...ALL, pull_requests: 'read' } });
    const access = await git.checkAccess(at(token), uses);
    expect(access.tokenKind).toBe('fine-grained');
    expect(one(access, 'Pull requests')).toMatchObject({
      permission: 'Pull requests: Read and write',
      state: 'missing',
      required: true,
      words: 'Resource not accessible by personal access token',
      remedy: expect.stringMatching(
        /settings\/personal-access-tokens and set Pull requests to Read and write/,
      ) as string,
    });
    expect(one(access, 'Checks')).toMatchObject({ state: 'missing', required: false, grantable: false });
    // The same token, changed at GitHub.
    double.changeToken(token, { grants: ALL });
    expect(one(await git.checkAccess(at(token), uses), 'Pull requests')).toMatchObject({ state: 'ok', words: null });
  });

  it('does not ask for what the repository does not use, and says what no call shows', async () => {
    const token = double.createToken({ login: 'bot', grants: { contents: 'write', pull_requests: 'write' } });
    const access = await git.checkAccess(at(token, 'acme/open'), { tickets: false, workflows: true });
    expect(short(access)).toEqual([
      'Metadata: Read-only ok',
      'Contents: Read and write ok',
      'Pull requests: Read and write ok',
      'Commit statuses: Read-only ok',
      'Actions: Read-only ok',
      'Checks: Read-only ok',
      'Workflows: Read and write unknown',
    ]);
  });

  it.each([
    [['repo', 'workflow'], 'acme/app', ['repo ok', 'workflow ok']],
    [['repo'], 'acme/app', ['repo ok', 'workflow missing']],
    [['public_repo'], 'acme/open', ['repo or public_repo ok', 'workflow missing']],
    [[], 'acme/open', ['repo or public_repo missing', 'workflow missing']],
  ])('reads the scopes of a classic token: %j on %s', async (scopes, fullName, expected) => {
    const token = double.createToken({ login: 'bot', scopes });
    const access = await git.checkAccess(at(token, fullName), { tickets: true, workflows: true });
    expect([access.tokenKind, short(access)]).toEqual(['classic', expected]);
    // What it says is what then works.
    const opening = git.open(at(token, fullName), { title: 'T', body: '', head: 'none', base: 'main', draft: false });
    if (expected[0]!.endsWith('ok')) expect(await opening).toMatchObject({ kind: 'refused' });
    else await expect(opening).rejects.toMatchObject({ code: 'remote_not_found' });
  });

  it('sees scopes that were changed while the repository stayed as it was', async () => {
    const token = double.createToken({ login: 'bot', scopes: [] });
    expect(short(await git.checkAccess(at(token, 'acme/open'), uses))).toEqual(['repo or public_repo missing']);
    double.changeToken(token, { scopes: ['repo'] });
    expect(short(await git.checkAccess(at(token, 'acme/open'), uses))).toEqual(['repo or public_repo ok']);
  });

  it('tells what its owner may not do from what the token may not', async () => {
    for (const kind of [{ scopes: ['repo'] }, { grants: ALL }]) {
      const token = double.createToken({ login: 'reader', permissions: 'read', ...kind });
      const contents = one(await git.checkAccess(at(token), uses), 'scopes' in kind ? 'repo' : 'Contents');
      expect(contents).toMatchObject({
        state: 'missing',
        words: 'Permission to acme/app.git denied to reader.',
        remedy: expect.stringContaining('role Write') as string,
      });
    }
  });

  it('says where single sign-on is given', async () => {
    const singleSignOnUrl = 'https://github.com/orgs/acme/sso?authorization_request=A1';
    const token = double.createToken({ login: 'bot', grants: ALL, singleSignOnUrl });
    await expect(git.checkAccess(at(token), uses)).rejects.toMatchObject({
      code: 'permission_missing',
      message: expect.stringContaining('SAML') as string,
      remedy: expect.stringContaining(singleSignOnUrl) as string,
    });
  });

  it('gives no verdict where there is no answer', async () => {
    const token = double.createToken({ login: 'bot', grants: ALL });
    const undo = [
      double.inject({ method: 'POST', path: /pulls$/, times: Infinity, status: 502 }),
      double.inject({ path: /receive-pack/, times: Infinity, status: 503 }),
      double.inject({ method: 'POST', path: /issues$/, status: 403, headers: { 'retry-after': '30' } }),
    ];
    const access = await git.checkAccess(at(token), uses);
    for (const each of undo) each();
    expect(short(access).slice(1, 4)).toEqual([
      'Contents: Read and write unknown',
      'Pull requests: Read and write unknown',
      'Issues: Read and write unknown',
    ]);
    const gone = double.inject({ method: 'POST', path: /issues$/, status: 410, message: 'Issues are disabled' });
    expect(one(await git.checkAccess(at(token), uses), 'Issues')).toMatchObject({
      state: 'unknown',
      words: 'Issues are disabled',
    });
    gone();
    const unreachable = { ...at(token), cloneUrl: 'http://127.0.0.1:9/acme/app.git' };
    expect(one(await git.checkAccess(unreachable, uses), 'Contents')).toMatchObject({ state: 'unknown' });
  });
});

describe('the guide to a token', () => {
  it("fills in GitHub's page", () => {
    const { newTokenUrl, tokensUrl } = tokenGuide({ apiUrl: 'https://api.github.com', fullName: 'acme/app' }, uses);
    const url = new URL(newTokenUrl);
    expect(`${url.origin}${url.pathname}`).toBe(`${tokensUrl}/new`);
    expect(tokensUrl).toBe('https://github.com/settings/personal-access-tokens');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      name: 'Capstan acme/app',
      description: expect.any(String) as string,
      target_name: 'acme',
      contents: 'write',
      pull_requests: 'write',
      issues: 'write',
      statuses: 'read',
      actions: 'read',
    });
  });

  it.each([
    ['https://github.house.example/api/v3', 'https://github.house.example/settings/personal-access-tokens'],
    ['https://api.acme.ghe.com', 'https://acme.ghe.com/settings/personal-access-tokens'],
    ['https://api.house.example/v3', 'https://api.house.example/settings/personal-access-tokens'],
  ])('finds the pages of %s', (apiUrl, tokensUrl) => {
    const guide = tokenGuide({ apiUrl, fullName: null }, { tickets: false, workflows: true });
    expect(guide.tokensUrl).toBe(tokensUrl);
    expect(new URL(guide.newTokenUrl).searchParams.get('workflows')).toBe('write');
    expect(new URL(guide.newTokenUrl).searchParams.has('issues')).toBe(false);
  });

  it('names each permission once, and wants what no fine-grained token can have nowhere', () => {
    const needed = neededPermissions({ tickets: true, workflows: true });
    expect(new Set(needed.map(({ name }) => name)).size).toBe(needed.length);
    expect(needed.filter(({ required, grantable }) => required && !grantable)).toEqual([]);
  });
});
