import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinishAnswer, PrepareAnswer } from '@capstan/domain';
import { SupervisedRoot } from './supervisor.fixture.js';

const BRANCH = 'capstan/abc-fix';
let pod: SupervisedRoot;
let origin: string;
let worktree: string;

beforeAll(() => SupervisedRoot.build());
beforeEach(() => {
  pod = new SupervisedRoot();
  origin = join(pod.root, 'origin');
  worktree = join(pod.root, 'work/1');
  mkdirSync(origin);
  git(origin, 'init', '-q', '-b', 'main');
  write(origin, 'a.txt', 'a\n');
  write(origin, '.gitignore', 'ignored\n');
  commit(origin, 'first');
});
afterEach(() => pod.remove());

function git(cwd: string, ...words: string[]): string {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' };
  const identity = ['-c', 'user.name=Agent', '-c', 'user.email=agent@test'];
  return execFileSync('git', [...identity, ...words], {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}
function write(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, name), text);
}
function commit(directory: string, message: string): string {
  git(directory, 'add', '-A');
  git(directory, 'commit', '-qm', message);
  return git(directory, 'rev-parse', 'HEAD');
}
function commitEmpty(message: string): string {
  git(origin, 'commit', '-q', '--allow-empty', '-m', message);
  return git(origin, 'rev-parse', 'HEAD');
}
function prepare(more: object = {}): PrepareAnswer & { error?: { code: string; message: string } } {
  const places = { clone: 'clone', worktree: 'work/1', home: 'work/1.home' };
  const wanted = { remoteUrl: origin, baseBranch: 'main', branch: BRANCH, fresh: false };
  return pod.ask('prepare', 'r', { ...places, ...wanted, ...more });
}
function finish(base: string): FinishAnswer & { error?: { code: string; message: string } } {
  const author = 'Capstan <capstan@test>';
  return pod.ask('finish', 'r', { worktree, home: 'h', base, branch: BRANCH, message: 'Leftovers', author });
}
const collect = (base: string): Buffer => pod.raw('collect', 'r', { worktree, home: 'h', base, branch: BRANCH });

describe('prepare', () => {
  it('makes a worktree on the branch, with a .git of its own that borrows the clone', () => {
    const tip = git(origin, 'rev-parse', 'HEAD');
    expect(prepare()).toMatchObject({ base: tip, head: tip, reused: false });
    expect(git(worktree, 'status', '--porcelain', '--branch')).toBe(`## ${BRANCH}`);
    expect(git(worktree, 'rev-parse', 'origin/main')).toBe(tip);
    expect(readFileSync(join(worktree, '.git/objects/info/alternates'), 'utf8')).toContain('clone/objects');
    expect(git(worktree, 'fsck')).toBe('');
    expect(existsSync(join(pod.root, 'work/1.home'))).toBe(true);
  });

  it('goes on from the branch at the remote, and from a worktree that is there', () => {
    const base = git(origin, 'rev-parse', 'HEAD');
    git(origin, 'switch', '-qc', BRANCH);
    write(origin, 'b.txt', 'b\n');
    const pushed = commit(origin, 'second');
    git(origin, 'switch', '-q', 'main');
    write(origin, 'c.txt', 'c\n');
    const moved = commit(origin, 'main goes on');
    expect(prepare()).toMatchObject({ base, head: pushed, reused: false });
    write(worktree, 'own.txt', 'unfinished\n');
    expect(prepare()).toMatchObject({ base, head: pushed, reused: true });
    expect(existsSync(join(worktree, 'own.txt'))).toBe(true);
    expect(git(worktree, 'rev-parse', 'origin/main')).toBe(moved);
    expect(prepare({ fresh: true })).toMatchObject({ reused: false, head: pushed });
    expect(existsSync(join(worktree, 'own.txt'))).toBe(false);
  });

  it('takes over a continuation of the branch that others pushed', () => {
    prepare();
    git(origin, 'switch', '-qc', BRANCH);
    write(origin, 'a.txt', 'by a person\n');
    const pushed = commit(origin, 'by a person');
    expect(prepare()).toMatchObject({ reused: true, head: pushed });
    expect(readFileSync(join(worktree, 'a.txt'), 'utf8')).toBe('by a person\n');
    expect(git(worktree, 'status', '--porcelain', '--branch')).toBe(`## ${BRANCH}`);
  });

  it('forgets a branch that was deleted at the remote', () => {
    git(origin, 'branch', BRANCH);
    write(origin, 'b.txt', 'b\n');
    prepare();
    git(origin, 'branch', '-D', BRANCH);
    const tip = commit(origin, 'main goes on');
    expect(prepare({ fresh: true })).toMatchObject({ head: tip, base: tip });
  });

  it('shares a fetch that began after this was asked for, and no older one', () => {
    const second = { worktree: 'work/2', home: 'work/2.home', branchIsNew: true };
    const first = prepare();
    const later = commitEmpty('main goes on');
    expect(prepare({ ...second, branch: 'capstan/t2', askedMsAgo: 60_000 })).toMatchObject({ base: first.base });
    expect(prepare({ ...second, branch: 'capstan/t2', fresh: true })).toMatchObject({ base: later });
    // Another base, and a branch that may be published, are looked for whatever was fetched.
    git(origin, 'switch', '-qc', 'release');
    const release = commitEmpty('released');
    const asked = { ...second, fresh: true, askedMsAgo: 60_000 };
    expect(prepare({ ...asked, baseBranch: 'release' })).toMatchObject({ base: release });
    git(origin, 'switch', '-qc', 'capstan/t2');
    const published = commitEmpty('published');
    expect(prepare({ ...asked, branch: 'capstan/t2', branchIsNew: false })).toMatchObject({ head: published });
  });

  it('checks out where the base is now, not where it was last seen', () => {
    prepare();
    git(origin, 'rm', '-q', 'a.txt');
    write(origin, 'new.txt', 'new\n');
    const tip = commit(origin, 'main goes on');
    expect(prepare({ worktree: 'work/2', home: 'work/2.home', branchIsNew: true })).toMatchObject({ base: tip });
    const second = join(pod.root, 'work/2');
    expect(git(second, 'status', '--porcelain', '--branch')).toBe(`## ${BRANCH}`);
    expect([existsSync(join(second, 'a.txt')), existsSync(join(second, 'new.txt'))]).toEqual([false, true]);
    expect(git(second, 'rev-parse', 'origin/main', 'HEAD').split('\n')).toEqual([tip, tip]);
    expect(existsSync(`${second}.new`)).toBe(false);
  });

  it('makes do without a record of the last fetch that is torn, or of commits that are gone', () => {
    prepare();
    const record = join(pod.root, 'clone', 'capstan-last-fetch.json');
    for (const text of [
      '',
      '{"tip":',
      JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')), tip: 'f'.repeat(40) }),
    ]) {
      writeFileSync(record, text);
      expect(prepare({ fresh: true, branchIsNew: true })).toMatchObject({ head: git(origin, 'rev-parse', 'HEAD') });
    }
  });

  it('makes several worktrees at once from one clone', async () => {
    const answers = await Promise.all(
      ['1', '2', '3', '4'].map((each) => {
        const places = { clone: 'clone', worktree: `work/${each}`, home: `work/${each}.home`, fresh: false };
        const wanted = { remoteUrl: origin, baseBranch: 'main', branch: `capstan/t${each}` };
        return pod.askBeside<PrepareAnswer>('prepare', each, { ...places, ...wanted });
      }),
    );
    const head = git(origin, 'rev-parse', 'HEAD');
    expect(answers.map((each) => each.head)).toEqual([head, head, head, head]);
  });

  it.each([
    [403, 'fetch_refused'],
    [404, 'fetch_refused'],
    [503, 'fetch_failed'],
  ])('tells a remote that says %i in its own words, as %s', async (status, code) => {
    const words = 'Capstan egress: the remote says why.';
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'text/plain' }).end(words);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const places = { clone: 'clone', worktree: 'work/1', home: 'work/1.home', fresh: false };
    const wanted = { remoteUrl: `http://127.0.0.1:${port}/git/a/b.git`, baseBranch: 'main', branch: BRANCH };
    const { error } = await pod.askBeside<ReturnType<typeof prepare>>('prepare', 'r', { ...places, ...wanted });
    server.close();
    expect(error).toMatchObject({ code, message: expect.stringContaining(words) as unknown });
  });

  it('says what is wrong with the remote', () => {
    expect(prepare({ baseBranch: 'trunk' }).error?.code).toBe('base_branch_missing');
    expect(prepare({ remoteUrl: join(pod.root, 'nowhere') }).error?.code).toBe('fetch_failed');
    expect(prepare({ remoteUrl: 'ext::touch /tmp/owned' }).error?.code).toBe('fetch_failed');
    expect(prepare({ branch: '--upload-pack=x' }).error?.code).toBe('bad_branch');
    expect(prepare({ worktree: '../outside' }).error?.code).toBe('outside_root');
  });

  it('keeps the credential out of every file', () => {
    const authorization = `Basic ${'c2VjcmV0'.repeat(3)}`;
    prepare({ authorization });
    expect(() => execFileSync('grep', ['-rF', authorization, pod.root])).toThrow();
  });
});

describe('finish and collect', () => {
  it('commits what was left and hands out exactly the branch', () => {
    const { base } = prepare();
    write(worktree, 'own.txt', 'agent\n');
    commit(worktree, 'By the agent');
    write(worktree, 'leftover.txt', 'left\n');
    write(worktree, 'ignored', 'no\n');
    rmSync(join(worktree, 'a.txt'));
    const finished = finish(base);
    expect(finished).toMatchObject({ commitCount: 2, committedLeftovers: true });
    expect(git(worktree, 'show', '--stat=80', '--format=%an %s', 'HEAD')).toMatch(
      /^Capstan Leftovers[^]*2 files changed/,
    );
    expect(git(worktree, 'status', '--porcelain')).toBe('');
    expect(finish(base)).toMatchObject({ head: finished.head, commitCount: 2, committedLeftovers: false });
    writeFileSync(join(pod.root, 'b.bundle'), collect(base));
    git(origin, 'fetch', '-q', join(pod.root, 'b.bundle'), `refs/heads/${BRANCH}:refs/heads/got`);
    expect(git(origin, 'rev-parse', 'got')).toBe(finished.head);
  });

  it('says when there is nothing, and finds commits made elsewhere than on the branch', () => {
    const { base } = prepare();
    expect(finish(base)).toEqual({ head: base, commitCount: 0, committedLeftovers: false });
    expect(JSON.parse(collect(base).toString())).toMatchObject({ error: { code: 'no_commits' } });
    git(worktree, 'switch', '-q', '--detach');
    write(worktree, 'own.txt', 'agent\n');
    const head = commit(worktree, 'Detached');
    expect(finish(base)).toEqual({ head, commitCount: 1, committedLeftovers: false });
    expect(git(worktree, 'symbolic-ref', 'HEAD')).toBe(`refs/heads/${BRANCH}`);
    git(worktree, 'switch', '-q', '--detach', base);
    expect(finish(base)).toEqual({ head, commitCount: 1, committedLeftovers: false });
  });

  it('starts no program that a hostile worktree names', () => {
    const { base } = prepare();
    const marker = join(pod.root, 'ran');
    const program = (name: string): string => {
      const file = join(pod.root, `evil-${name}`);
      writeFileSync(file, `#!/bin/sh\necho ${name} >> ${marker}\ncat\n`, { mode: 0o755 });
      return file;
    };
    const nested = join(worktree, 'nested');
    mkdirSync(nested);
    git(nested, 'init', '-q');
    write(nested, 'n.txt', 'n\n');
    commit(nested, 'nested');
    appendFileSync(join(nested, '.git/config'), `[core]\n\tfsmonitor = ${program('nested')}\n`);
    git(worktree, 'update-index', '--add', '--cacheinfo', `160000,${git(nested, 'rev-parse', 'HEAD')},nested`);
    const hooks = join(worktree, '.git/hooks');
    mkdirSync(hooks, { recursive: true });
    const names = ['pre-commit', 'commit-msg', 'post-commit', 'reference-transaction', 'post-index-change'];
    for (const name of [...names, 'post-checkout', 'pre-auto-gc', 'prepare-commit-msg', 'fsmonitor-watchman']) {
      writeFileSync(join(hooks, name), `#!/bin/sh\necho ${name} >> ${marker}\n`, { mode: 0o755 });
    }
    const included = join(worktree, '.git/more');
    writeFileSync(included, `[filter "evil"]\n\tclean = ${program('included')}\n\trequired = true\n`);
    const settings = {
      'core.fsmonitor': program('fsmonitor'),
      'core.hooksPath': hooks,
      'core.sshCommand': program('ssh'),
      'core.pager': program('pager'),
      'core.editor': program('editor'),
      'core.alternateRefsCommand': program('alternates'),
      'filter.evil.smudge': program('smudge'),
      'filter.evil.process': program('process'),
      'diff.evil.textconv': program('textconv'),
      'diff.evil.command': program('diff'),
      'diff.external': program('external'),
      'merge.evil.driver': program('merge'),
      'gpg.program': program('gpg'),
      'commit.gpgSign': 'true',
      'include.path': included,
      'extensions.partialClone': 'evil',
      'remote.evil.promisor': 'true',
      'remote.evil.url': `ext::${program('promisor')}`,
      'uploadpack.packObjectsHook': program('pack'),
      'credential.helper': program('credential'),
    };
    for (const [key, value] of Object.entries(settings)) git(worktree, 'config', '--file', '.git/config', key, value);
    write(worktree, '.gitattributes', '* filter=evil diff=evil merge=evil\n');
    mkdirSync(join(worktree, '.git/info'), { recursive: true });
    write(join(worktree, '.git/info'), 'attributes', '* filter=evil diff=evil\n');
    write(worktree, 'a.txt', 'changed\n');
    // The trap is live: git that reads this configuration falls into it.
    expect(() => git(worktree, 'add', 'a.txt', '.gitattributes')).toThrow('evil');
    expect(readFileSync(marker, 'utf8')).toContain('fsmonitor');
    write(nested, 'n.txt', 'changed\n');
    write(worktree, 'a.txt', 'changed again\n');
    rmSync(marker, { force: true });

    const finished = finish(base);
    expect(finished).toMatchObject({ commitCount: 1, committedLeftovers: true });
    expect(collect(base).subarray(0, 20).toString()).toContain('git bundle');
    expect(prepare()).toMatchObject({ reused: true, head: finished.head });
    expect(existsSync(marker) ? readFileSync(marker, 'utf8') : 'nothing ran').toBe('nothing ran');
    expect(git(origin, '--git-dir', join(worktree, '.git'), 'cat-file', '-p', `${finished.head}:a.txt`)).toBe(
      'changed again',
    );
  });

  it('refuses a worktree whose .git is not a directory', () => {
    const { base } = prepare();
    rmSync(join(worktree, '.git'), { recursive: true });
    write(worktree, '.git', `gitdir: ${origin}/.git\n`);
    expect(finish(base).error?.code).toBe('worktree_unreadable');
  });
});
