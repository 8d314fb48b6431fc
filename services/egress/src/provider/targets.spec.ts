import { PROVIDER_ADDRESSES, targetsOf, type CredentialUser, type NamedSecret } from './targets.js';

const secret = (name: string, repositoryId: string | null = null): NamedSecret => ({
  id: `${name}/${repositoryId}`,
  name,
  repositoryId,
  userId: null,
});
const user = (id: string, agent: object, over: Partial<CredentialUser> = {}): CredentialUser => ({
  id,
  fullName: `acme/${id}`,
  apiUrl: 'https://api.github.com',
  credentialSecret: 'GITHUB_TOKEN',
  agent: agent as CredentialUser['agent'],
  ...over,
});
const places = (
  which: NamedSecret,
  repositories: readonly CredentialUser[],
  secrets: readonly NamedSecret[] = [which],
) =>
  targetsOf(which, { secrets, repositories }, PROVIDER_ADDRESSES).map(
    ({ call, address, trust }) => `${call} ${address} ${trust}`,
  );

const claude = { agent: 'claude-code' };
const HOUSE = 'http://models.house:8080/v1/';

it.each<readonly [string, NamedSecret, readonly CredentialUser[], readonly string[]]>([
  [
    'a key that nobody uses yet at its provider',
    secret('ANTHROPIC_API_KEY'),
    [],
    ['anthropic-key https://api.anthropic.com/v1/models public'],
  ],
  [
    'a key where each agent takes it to, once',
    secret('OPENAI_API_KEY'),
    [user('a', { agent: 'codex' }), user('b', { agent: 'codex', baseUrl: HOUSE }), user('c', { agent: 'codex' })],
    ['openai https://api.openai.com/v1/models public', 'openai http://models.house:8080/v1/models private'],
  ],
  [
    'a key of agents that all have their own endpoint never at its provider',
    secret('CLAUDE_CODE_OAUTH_TOKEN'),
    [user('a', { ...claude, baseUrl: 'https://me:pw@claude.house/?x=1#y' })],
    ['anthropic-token https://claude.house/v1/models private'],
  ],
  [
    'GitHub’s token for Copilot at GitHub, whatever endpoint another one has',
    secret('COPILOT_GITHUB_TOKEN'),
    [user('a', { agent: 'copilot', model: 'm', baseUrl: HOUSE })],
    ['github-user https://api.github.com/user public'],
  ],
  [
    'a key of another provider not at an endpoint that takes OpenAI’s',
    secret('GEMINI_API_KEY'),
    [user('a', { agent: 'opencode', model: 'x/y', baseUrl: HOUSE })],
    ['gemini https://generativelanguage.googleapis.com/v1beta/models public'],
  ],
  [
    'a further key for fail-over like the first',
    secret('ANTHROPIC_API_KEY_2'),
    [user('a', { ...claude, baseUrl: HOUSE })],
    ['anthropic-key http://models.house:8080/v1/v1/models private'],
  ],
  [
    'a forge’s token at each of its repositories',
    secret('GITHUB_TOKEN'),
    [
      user('a', claude),
      user('b', claude, { apiUrl: 'https://git.house/api/v3/' }),
      user('c', claude, { credentialSecret: 'X' }),
    ],
    [
      'github-repository https://api.github.com/repos/acme/a private',
      'github-repository https://git.house/api/v3/repos/acme/b private',
    ],
  ],
  ['what is no credential nowhere', secret('WEBHOOK_SECRET'), [user('a', claude)], []],
  ['a choice nowhere', secret('CLAUDE_AUTH_MODE'), [user('a', claude)], []],
  [
    'a key for an address that is none nowhere',
    secret('OPENAI_API_KEY'),
    [user('a', { agent: 'codex', baseUrl: 'file:///etc' })],
    [],
  ],
])('asks about %s', (_what, which, users, expected) => {
  expect(places(which, users)).toEqual(expected);
});

it('takes a person’s own to its provider alone: to no forge, and to no endpoint that a repository has set', () => {
  const own = (name: string): NamedSecret => ({ ...secret(name), userId: 'ada' });
  const users = [
    user('a', { ...claude, baseUrl: HOUSE }),
    user('b', claude, { credentialSecret: 'ANTHROPIC_API_KEY' }),
  ];
  expect(places(own('ANTHROPIC_API_KEY'), users)).toEqual(['anthropic-key https://api.anthropic.com/v1/models public']);
  expect(places(own('CLAUDE_AUTH_MODE'), users)).toEqual([]);
});

it('asks with a repository’s own secret for that one alone, and with the workspace’s for the others', () => {
  const [own, all] = [secret('GITHUB_TOKEN', 'a'), secret('GITHUB_TOKEN')];
  const users = [user('a', claude), user('b', claude)];
  expect(places(own, users, [own, all])).toEqual(['github-repository https://api.github.com/repos/acme/a private']);
  expect(places(all, users, [own, all])).toEqual(['github-repository https://api.github.com/repos/acme/b private']);
});

it('asks about the key of an app at its own forge alone, whatever repositories name it', () => {
  const app = { appId: 7, slug: 'capstan', apiUrl: 'https://api.github.com' };
  const key = { ...secret('GITHUB_APP_1_KEY'), app };
  const elsewhere = user('a', claude, { credentialSecret: key.name, apiUrl: 'https://evil.example/api/v3' });
  expect(targetsOf(key, { secrets: [key], repositories: [elsewhere] }, PROVIDER_ADDRESSES)).toEqual([
    { call: 'github-app', address: 'https://api.github.com/app', subject: 'capstan', trust: 'private', app },
  ]);
});
