import { missingNames, orderKeys, secretNames } from './keys.decide.js';
import { PROVIDERS } from '../provider.js';

const { anthropic, openai } = PROVIDERS;
const names = (secrets: Record<string, string>, provider = anthropic) =>
  orderKeys(provider, new Map(Object.entries(secrets))).map(({ name }) => name);

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
  expect(secretNames(openai)).toEqual([
    'OPENAI_API_KEY',
    ...[2, 3, 4, 5, 6, 7, 8, 9].map((n) => `OPENAI_API_KEY_${n}`),
  ]);
  expect(secretNames(anthropic)).toContain('CLAUDE_AUTH_MODE');
  expect(missingNames(anthropic, new Map())).toEqual(['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN']);
  expect(missingNames(anthropic, new Map([['CLAUDE_AUTH_MODE', 'api-key']]))).toEqual(['ANTHROPIC_API_KEY']);
});
