import type { ModelOrderEntry } from '@capstan/domain';
import type { FoundSecret } from '@capstan/service-kit';
import { missingNames, orderKeys, secretNames } from './keys.decide.js';
import { PROVIDERS } from '../provider.js';

const { anthropic, openai } = PROVIDERS;
type Values = Record<string, string>;
const found = (secrets: Values, own: Values = {}) =>
  new Map<string, FoundSecret>([
    ...Object.entries(secrets).map(([name, value]) => [name, { value, own: false }] as const),
    // As the vault finds them: a person's own hides another of its name.
    ...Object.entries(own).map(([name, value]) => [name, { value, own: true }] as const),
  ]);
const names = (secrets: Values, provider = anthropic) =>
  orderKeys(provider, found(secrets), []).map(({ name }) => name);

it.each([
  ['nothing', {}, []],
  ['one', { ANTHROPIC_API_KEY: 'a' }, ['ANTHROPIC_API_KEY']],
  ['a further one alone', { ANTHROPIC_API_KEY_3: 'a' }, ['ANTHROPIC_API_KEY_3']],
  [
    'all, in the order of their names',
    { ANTHROPIC_API_KEY_9: 'c', ANTHROPIC_API_KEY: 'a', ANTHROPIC_API_KEY_2: 'b' },
    ['ANTHROPIC_API_KEY', 'ANTHROPIC_API_KEY_2', 'ANTHROPIC_API_KEY_9'],
  ],
  [
    'keys before accounts',
    { CLAUDE_CODE_OAUTH_TOKEN: 't', ANTHROPIC_API_KEY_2: 'b' },
    ['ANTHROPIC_API_KEY_2', 'CLAUDE_CODE_OAUTH_TOKEN'],
  ],
  [
    'only accounts where that is chosen',
    { CLAUDE_CODE_OAUTH_TOKEN: 't', ANTHROPIC_API_KEY: 'a', CLAUDE_AUTH_MODE: 'oauth-token' },
    ['CLAUDE_CODE_OAUTH_TOKEN'],
  ],
  [
    'no other kind than the chosen, though it is missing',
    { ANTHROPIC_API_KEY: 'a', CLAUDE_AUTH_MODE: 'oauth-token' },
    [],
  ],
  ['a choice that is none as none', { ANTHROPIC_API_KEY: 'a', CLAUDE_AUTH_MODE: 'both' }, ['ANTHROPIC_API_KEY']],
  ['no empty one', { ANTHROPIC_API_KEY: ' ' }, []],
])('takes %s', (_what, secrets, expected) => {
  expect(names(secrets)).toEqual(expected);
});

it('knows every name that may be set, and which are missing', () => {
  expect(secretNames(openai, [])).toEqual([
    'OPENAI_API_KEY',
    ...[2, 3, 4, 5, 6, 7, 8, 9].map((n) => `OPENAI_API_KEY_${n}`),
  ]);
  expect(secretNames(anthropic, [])).toContain('CLAUDE_AUTH_MODE');
  expect(missingNames(anthropic, new Map(), [])).toEqual(['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN']);
  expect(missingNames(anthropic, found({ CLAUDE_AUTH_MODE: 'api-key' }), [])).toEqual(['ANTHROPIC_API_KEY']);
});

describe('of a person', () => {
  const own = (secrets: Values, mine: Values, order: readonly ModelOrderEntry[] = []) =>
    orderKeys(anthropic, found(secrets, mine), order).map(({ name, value }) => `${name}=${value}`);

  it.each([
    [
      'their own instead of the workspace’s of that name',
      { ANTHROPIC_API_KEY: 'theirs' },
      ['ANTHROPIC_API_KEY=theirs'],
    ],
    [
      'their own of another kind before the workspace’s, which stays for fail-over',
      { CLAUDE_CODE_OAUTH_TOKEN: 'theirs' },
      ['CLAUDE_CODE_OAUTH_TOKEN=theirs', 'ANTHROPIC_API_KEY=ours'],
    ],
    ['the workspace’s where they have none', {}, ['ANTHROPIC_API_KEY=ours']],
  ])('is tried %s', (_what, mine, expected) => {
    expect(own({ ANTHROPIC_API_KEY: 'ours' }, mine)).toEqual(expected);
  });

  it('their own is not ruled out by the workspace’s choice of a kind, and is by theirs', () => {
    const ours = { ANTHROPIC_API_KEY: 'ours', CLAUDE_AUTH_MODE: 'api-key' };
    expect(own(ours, { CLAUDE_CODE_OAUTH_TOKEN: 't' })).toEqual([
      'CLAUDE_CODE_OAUTH_TOKEN=t',
      'ANTHROPIC_API_KEY=ours',
    ]);
    expect(own(ours, { CLAUDE_CODE_OAUTH_TOKEN: 't', CLAUDE_AUTH_MODE: 'oauth-token' })).toEqual([
      'CLAUDE_CODE_OAUTH_TOKEN=t',
    ]);
  });

  it('comes before the order of the workspace', () => {
    const order = [{ kind: 'key', secret: 'ANTHROPIC_API_KEY' }] as const;
    expect(own({ ANTHROPIC_API_KEY: 'ours' }, { ANTHROPIC_API_KEY_2: 'theirs' }, order)).toEqual([
      'ANTHROPIC_API_KEY_2=theirs',
      'ANTHROPIC_API_KEY=ours',
    ]);
  });
});

describe('an order', () => {
  const elsewhere = (secret: string): ModelOrderEntry => ({
    kind: 'compatible',
    baseUrl: 'https://other.example/v1',
    secret,
    models: { 'claude-x': 'other-x' },
  });
  const secrets: Values = {
    ANTHROPIC_API_KEY: 'a',
    ANTHROPIC_API_KEY_2: 'b',
    CLAUDE_CODE_OAUTH_TOKEN: 't',
    OTHER_KEY: 'o',
    GITHUB_TOKEN: 'g',
  };

  it('is kept, with what it does not name left out and what is not set passed over', () => {
    const order: ModelOrderEntry[] = [
      { kind: 'key', secret: 'CLAUDE_CODE_OAUTH_TOKEN' },
      elsewhere('OTHER_KEY'),
      { kind: 'key', secret: 'ANTHROPIC_API_KEY_4' },
      { kind: 'key', secret: 'ANTHROPIC_API_KEY_2' },
    ];
    expect(orderKeys(anthropic, found(secrets), order).map(({ name, place }) => [name, place])).toEqual([
      ['CLAUDE_CODE_OAUTH_TOKEN', null],
      ['OTHER_KEY', { baseUrl: 'https://other.example/v1', models: { 'claude-x': 'other-x' } }],
      ['ANTHROPIC_API_KEY_2', null],
    ]);
    expect(secretNames(anthropic, order)).toContain('OTHER_KEY');
    expect(missingNames(anthropic, new Map(), order)).toEqual(order.map(({ secret }) => secret));
  });

  it.each([
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_API_KEY_2',
    'OPENAI_API_KEY',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'COPILOT_GITHUB_TOKEN',
  ])('never sends %s to another provider', (secret) => {
    expect(orderKeys(anthropic, found({ [secret]: 'key' }), [elsewhere(secret)])).toEqual([]);
  });

  it.each(['OPENAI_API_KEY', 'GITHUB_TOKEN', 'CLAUDE_AUTH_MODE'])('never sends %s to Anthropic', (secret) => {
    expect(orderKeys(anthropic, found({ [secret]: 'key' }), [{ kind: 'key', secret }])).toEqual([]);
  });
});
