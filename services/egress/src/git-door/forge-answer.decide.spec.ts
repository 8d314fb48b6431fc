import { decideAnswer } from './forge-answer.decide.js';

const asked = new URL('https://git.example/acme/anvil.git/info/refs?service=git-upload-pack');

describe('an answer of the forge', () => {
  it.each([
    [200, {}, { kind: 'pass' }],
    [401, {}, { refusal: { status: 403, reason: 'forge_refused' } }],
    [403, {}, { refusal: { status: 403, reason: 'forge_refused' } }],
    [404, {}, { refusal: { status: 404, reason: 'forge_refused' } }],
    [403, { 'retry-after': '60' }, { refusal: { status: 503, reason: 'unreachable' } }],
    [429, {}, { refusal: { status: 503, retryAfter: 10 } }],
    [502, {}, { refusal: { status: 503 } }],
  ])('%i %j', (status, headers, expected) => {
    expect(decideAnswer(asked, status, headers)).toMatchObject(expected);
  });

  it('follows a repository that was renamed, at the same forge', () => {
    const location = '/acme/hammer.git/info/refs?service=git-upload-pack';
    expect(decideAnswer(asked, 301, { location })).toEqual({ kind: 'moved', to: new URL(location, asked) });
  });

  it.each([
    'https://evil.example/acme/anvil.git/info/refs?service=git-upload-pack',
    'http://git.example/acme/anvil.git/info/refs?service=git-upload-pack',
    'https://git.example/login',
    'not an address \u0000://',
  ])('takes the credential nowhere else: %s', (location) => {
    expect(decideAnswer(asked, 302, { location })).toMatchObject({ kind: 'refuse', refusal: { status: 404 } });
  });

  it('follows nothing but the first question of a fetch', () => {
    const pack = new URL('https://git.example/acme/anvil.git/git-upload-pack');
    const location = 'https://git.example/acme/hammer.git/git-upload-pack';
    expect(decideAnswer(pack, 301, { location })).toMatchObject({ kind: 'refuse' });
  });
});
