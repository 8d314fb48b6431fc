import { decideAsk, decideRepository } from './git-ask.decide.js';

const own = { cloneUrl: 'https://git.example/Acme/anvil.git', allowSubmoduleFetch: false };
const PACK = 'service=git-upload-pack';

describe('what the git door is asked for', () => {
  it.each([
    ['GET', `/git/acme/anvil.git/info/refs?${PACK}`, { kind: 'refs', path: 'acme/anvil.git' }],
    ['GET', `/git/acme/anvil/info/refs?${PACK}`, { kind: 'refs', path: 'acme/anvil' }],
    ['POST', '/git/group/sub/anvil.git/git-upload-pack', { kind: 'objects', path: 'group/sub/anvil.git' }],
    ['POST', '/git/acme/anvil.git/info/lfs/objects/batch', { kind: 'lfs-batch', path: 'acme/anvil.git' }],
    [
      'GET',
      `/git/acme/anvil.git/info/lfs/objects/${'a'.repeat(64)}?ticket=t`,
      { kind: 'lfs-object', path: 'acme/anvil.git', ticket: 't' },
    ],
  ])('%s %s is read', (method, url, ask) => {
    expect(decideAsk(method, url)).toEqual(ask);
  });

  it.each([
    ['POST', '/git/acme/anvil.git/git-receive-pack', 403],
    ['GET', '/git/acme/anvil.git/info/refs?service=git-receive-pack', 403],
    ['GET', `/git/acme/anvil.git/info/refs?${PACK}&service=git-receive-pack&x`, 200],
    ['GET', '/git/acme/anvil.git/info/refs', 404],
    ['GET', '/git/acme/anvil.git/HEAD', 404],
    ['GET', '/git/acme/anvil.git/objects/info/packs', 404],
    ['GET', '/git/acme/anvil.git/git-upload-pack', 404],
    ['PUT', '/git/acme/anvil.git/info/lfs/objects/batch', 404],
    ['POST', '/git/acme/anvil.git/info/lfs/locks', 404],
    ['GET', `/git/../etc/info/refs?${PACK}`, 404],
    ['GET', `/git/acme/../other/anvil.git/info/refs?${PACK}`, 404],
    ['GET', `/git/acme/%2e%2e/anvil.git/info/refs?${PACK}`, 404],
    ['GET', `/git//acme/anvil.git/info/refs?${PACK}`, 404],
    ['GET', `/git/acme/anvil.git#/info/refs?${PACK}`, 404],
    ['GET', `/git/acme@evil.example/anvil.git/info/refs?${PACK}`, 404],
  ])('%s %s is refused with %i, or a fetch', (method, url, status) => {
    const read = decideAsk(method, url);
    if (status === 200) expect(read).toEqual({ kind: 'refs', path: 'acme/anvil.git' });
    else expect(read).toMatchObject({ status });
  });
});

describe('which repository is read', () => {
  it.each(['acme/anvil.git', 'Acme/Anvil', 'ACME/ANVIL.GIT'])(
    'its own as %s, by the address that Capstan has',
    (path) => {
      expect(String(decideRepository(path, own))).toBe(own.cloneUrl);
    },
  );

  it('another of the same owner once that is allowed', () => {
    expect(decideRepository('acme/lib.git', own)).toMatchObject({ reason: 'git_blocked' });
    const allowed = { ...own, allowSubmoduleFetch: true };
    expect(String(decideRepository('acme/lib.git', allowed))).toBe('https://git.example/acme/lib.git');
  });

  it.each(['other/anvil.git', 'anvil.git', 'acme/sub/anvil.git', 'acme'])('never %s', (path) => {
    expect(decideRepository(path, { ...own, allowSubmoduleFetch: true })).toMatchObject({ reason: 'git_blocked' });
  });

  it('nobody else, where the repository has no owner', () => {
    const lonely = { cloneUrl: 'https://git.example/anvil.git', allowSubmoduleFetch: true };
    expect(decideRepository('other.git', lonely)).toMatchObject({ reason: 'git_blocked' });
  });
});
