import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Repository, Run } from '@capstan/database';
import { startGitHubDouble, type GitHubDouble } from '@capstan/test-support';
import { aStage, outside, type Outside, type Stage } from '../egress.fixture.js';

const NAME = 'acme/anvil';
const OBJECT = 'a'.repeat(64);

let stage: Stage;
let forge: GitHubDouble;
let home: string;
let directory: string;
let run: Run;
let token: string;

beforeAll(async () => {
  stage = await aStage();
  home = mkdtempSync(join(tmpdir(), 'git-door-forge-'));
  forge = await startGitHubDouble({ dir: home });
  token = forge.createToken({ login: 'capstan-bot', permissions: 'read' });
  for (const name of [NAME, 'acme/lib', 'other/secret'])
    await forge.createRepository(name, { files: { 'README.md': `# ${name}\n` }, private: true });
});
afterAll(async () => {
  await forge.close();
  await stage.close();
  rmSync(home, { recursive: true });
});
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'git-door-'));
  ({ run } = await aRunOf({}));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function aRunOf(over: Partial<Repository>, secret: string | null = token): ReturnType<Stage['aRun']> {
  const made = await stage.aRun({
    fullName: NAME,
    apiUrl: forge.apiUrl,
    cloneUrl: `${forge.url}/${NAME}.git`,
    ...over,
  });
  const { workspaceId, id: repositoryId, credentialSecret: name } = made.repository;
  if (secret !== null)
    await stage.database.transaction((tx) => stage.vault.put(tx, { workspaceId, repositoryId, name }, secret));
  return made;
}

/** Git as an agent has it: nothing of the machine's settings, and the run's token for the door. */
async function git(words: readonly string[], as: Pick<Run, 'id'> = run): Promise<{ ok: boolean; said: string }> {
  const authorization = Buffer.from(`run:${stage.token(as)}`).toString('base64');
  const env = {
    ...{ PATH: '/usr/local/bin:/usr/bin:/bin', HOME: directory, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_COUNT: '2' },
    GIT_CONFIG_KEY_0: `http.${stage.egress.server.url}/git/.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${authorization}`,
    GIT_CONFIG_KEY_1: `url.${stage.egress.server.url}/git/.insteadOf`,
    GIT_CONFIG_VALUE_1: `${forge.url}/`,
  };
  return promisify(execFile)('git', [...words], { cwd: directory, env }).then(
    ({ stdout, stderr }) => ({ ok: true, said: stdout + stderr }),
    (error: { stderr: string }) => ({ ok: false, said: error.stderr }),
  );
}

/** A commit on main at the forge, by a person. */
async function commitAtForge(text: string): Promise<string> {
  const person = Buffer.from(`x-access-token:${forge.createToken({ login: 'ada' })}`).toString('base64');
  const at = (words: readonly string[]) =>
    promisify(execFile)('git', ['-c', `http.extraHeader=Authorization: Basic ${person}`, ...words], { cwd: directory });
  await at(['clone', '-q', `${forge.url}/${NAME}.git`, 'theirs']);
  writeFileSync(join(directory, 'theirs', 'b.txt'), `${text}\n`);
  await at(['-C', 'theirs', 'add', '.']);
  await at(['-C', 'theirs', '-c', 'user.name=a', '-c', 'user.email=a@a', 'commit', '-qm', text]);
  await at(['-C', 'theirs', 'push', '-q', 'origin', 'main']);
  return (await at(['-C', 'theirs', 'rev-parse', 'HEAD'])).stdout.trim();
}

const door = (path: string): string => `${stage.egress.server.url}/git/${path}`;

/** Each of a dozen gits, with a server on the same two cores. ms */
jest.setTimeout(60_000);

describe('the git door', () => {
  it('clones and fetches the repository of the run, with a credential that the pod never sees', async () => {
    expect(await git(['clone', '-q', door(`${NAME}.git`), 'whole'])).toMatchObject({ ok: true });
    expect(readFileSync(join(directory, 'whole/README.md'), 'utf8')).toBe(`# ${NAME}\n`);
    const pushed = await commitAtForge('second');
    expect(await git(['-C', 'whole', 'fetch', '-q', 'origin', 'main'])).toMatchObject({ ok: true });
    expect((await git(['-C', 'whole', 'rev-parse', 'FETCH_HEAD'])).said.trim()).toBe(pushed);
    const [row] = await stage.recorded(run);
    expect(row).toMatchObject({ host: '127.0.0.1', verdict: 'allowed', port: Number(new URL(forge.url).port) });
    expect(Number(row!['bytesDown'])).toBeGreaterThan(200);
  });

  it("takes the forge's own address for the door's, as agents are given it", async () => {
    expect(await git(['clone', '-q', `${forge.url}/${NAME}.git`, 'whole'])).toMatchObject({ ok: true });
  });

  it('makes shallow and partial clones', async () => {
    await commitAtForge('third');
    expect(await git(['clone', '-q', '--depth=1', door(NAME), 'shallow'])).toMatchObject({ ok: true });
    expect((await git(['-C', 'shallow', 'rev-list', '--count', 'HEAD'])).said.trim()).toBe('1');
    expect(await git(['clone', '-q', '--filter=blob:none', '--bare', door(NAME), 'partial'])).toMatchObject({
      ok: true,
    });
    const { said } = await git(['-C', 'partial', 'rev-list', '--objects', '--missing=print', 'HEAD']);
    expect(said).toMatch(/^\?[0-9a-f]{40}$/m);
  });

  it('pushes nothing', async () => {
    await git(['clone', '-q', door(NAME), 'whole']);
    const { ok, said } = await git(['-C', 'whole', 'push', 'origin', 'HEAD:refs/heads/mine']);
    expect([ok, said]).toEqual([false, expect.stringContaining('Capstan publishes the branch')]);
    expect(await stage.recorded(run)).toContainEqual(
      expect.objectContaining({ verdict: 'blocked', reason: 'git_blocked' }) as unknown,
    );
  });

  it('reads no other repository, whatever the credential could', async () => {
    for (const name of ['other/secret', 'acme/lib'])
      expect(await git(['ls-remote', door(`${name}.git`)])).toMatchObject({ ok: false });
    const { said } = await git(['ls-remote', door('acme/lib.git')]);
    expect(said).toContain('allowSubmoduleFetch');
  });

  it('reads what else the owner has where submodules are allowed', async () => {
    const allowed = await aRunOf({ allowSubmoduleFetch: true });
    expect(await git(['ls-remote', door('acme/lib.git')], allowed.run)).toMatchObject({ ok: true });
    expect(await git(['ls-remote', door('other/secret.git')], allowed.run)).toMatchObject({ ok: false });
  });

  it('is shut to a run that is over, and to a token of nobody', async () => {
    const over = await aRunOf({});
    await stage.database.query('update run set fenced_at = now() where id = $1', [over.run.id]);
    expect((await git(['ls-remote', door(NAME)], over.run)).said).toContain('error: 403');
    const answer = await fetch(door(`${NAME}/info/refs?service=git-upload-pack`), {
      headers: { authorization: `Basic ${Buffer.from('run:cap_run_x').toString('base64')}` },
    });
    expect(answer.status).toBe(403);
  });

  it('tells that the forge refuses the credential, and by which permission it would not', async () => {
    const refused = await aRunOf({}, 'ghp_wrong');
    const { said } = await git(['ls-remote', door(NAME)], refused.run);
    expect(said).toContain('Contents: Read-only');
    expect(said).toContain('error: 403');
    expect(said).not.toContain('ghp_wrong');
  });

  it('tells that the repository has no credential', async () => {
    const { run: bare } = await aRunOf({ credentialSecret: 'NOT_SET' }, null);
    expect((await git(['ls-remote', door(NAME)], bare)).said).toContain('NOT_SET');
  });

  it('asks to come again while the forge is away', async () => {
    const gone = await aRunOf({ cloneUrl: 'http://127.0.0.1:1/acme/anvil.git' });
    expect((await git(['ls-remote', door(NAME)], gone.run)).said).toContain('error: 502');
  });
});

describe('LFS', () => {
  let lfs: Outside;
  let seen: { url: string; authorization: string | undefined }[];

  beforeEach(async () => {
    seen = [];
    lfs = await outside((request, response) => {
      seen.push({ url: request.url!, authorization: request.headers.authorization });
      if (request.url === '/media/signed?key=canary') return response.end('the object');
      const download = {
        href: `http://127.0.0.1:${lfs.port}/media/signed?key=canary`,
        header: { Authorization: 'RemoteAuth canary' },
        expires_in: 60,
      };
      const objects = [{ oid: OBJECT, size: 10, actions: { download, upload: download } }];
      response.setHeader('content-type', 'application/vnd.git-lfs+json');
      return response.end(JSON.stringify({ transfer: 'basic', objects }));
    });
  });
  afterEach(() => lfs.close());

  async function batch(operation: string, as: Run): Promise<Response> {
    return fetch(door('acme/anvil.git/info/lfs/objects/batch'), {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`run:${stage.token(as)}`).toString('base64')}` },
      body: JSON.stringify({ operation, transfers: ['basic'], objects: [{ oid: OBJECT, size: 10 }] }),
    });
  }

  it('is downloaded through the door: neither the signature nor the credential enters the pod', async () => {
    const { run: mine } = await aRunOf({ cloneUrl: `http://127.0.0.1:${lfs.port}/acme/anvil.git` });
    const answer = await batch('download', mine);
    const text = await answer.text();
    expect(text).not.toMatch(/canary|upload/);
    const [object] = (
      JSON.parse(text) as { objects: { actions: { download: { href: string; header: Record<string, string> } } }[] }
    ).objects;
    const { href, header } = object!.actions.download;
    expect(href).toContain(`/git/acme/anvil.git/info/lfs/objects/${OBJECT}?ticket=`);
    expect(await (await fetch(href, { headers: header })).text()).toBe('the object');
    expect(seen.map(({ authorization }) => authorization)).toEqual([
      `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`,
      'RemoteAuth canary',
    ]);
    // It is this run's alone.
    const other = await aRunOf({ cloneUrl: `http://127.0.0.1:${lfs.port}/acme/anvil.git` });
    const stolen = { authorization: `Basic ${Buffer.from(`run:${stage.token(other.run)}`).toString('base64')}` };
    expect((await fetch(href, { headers: stolen })).status).toBe(403);
    expect(
      (
        await fetch(
          href.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
          { headers: header },
        )
      ).status,
    ).toBe(403);
  });

  it('is never uploaded', async () => {
    const { run: mine } = await aRunOf({ cloneUrl: `http://127.0.0.1:${lfs.port}/acme/anvil.git` });
    const answer = await batch('upload', mine);
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('never uploaded')]);
    expect(seen).toEqual([]);
  });
});
