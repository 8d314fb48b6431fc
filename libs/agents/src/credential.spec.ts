import { credentialsFor, knownCredential } from './credential.js';
import { agent } from './registry.js';

it.each([
  ['ANTHROPIC_API_KEY', 'anthropic', 'ANTHROPIC_API_KEY'],
  ['ANTHROPIC_API_KEY_2', 'anthropic', 'ANTHROPIC_API_KEY'],
  ['OPENAI_API_KEY_9', 'openai', 'OPENAI_API_KEY'],
  ['COPILOT_GITHUB_TOKEN', 'github', 'COPILOT_GITHUB_TOKEN'],
  ['OPENAI_API_KEY_1', undefined, undefined],
  ['OPENAI_API_KEY_10', undefined, undefined],
  ['COPILOT_GITHUB_TOKEN_2', undefined, undefined],
  ['CLAUDE_AUTH_MODE', undefined, undefined],
  ['GITHUB_TOKEN', undefined, undefined],
])('%s is a credential of %s', (secret, provider, name) => {
  expect(knownCredential(secret)?.provider).toBe(provider);
  expect(knownCredential(secret)?.name).toBe(name);
});

it('knows every credential of the agents that providers make', () => {
  const all = ['claude-code', 'codex', 'opencode', 'gemini', 'copilot'].flatMap((name) => agent(name).credentials);
  expect(all.filter((name) => knownCredential(name)?.name !== name)).toEqual([]);
});

it.each([
  [{ agent: 'command' }, {}, []],
  [{ agent: 'gone' }, {}, []],
  [{ agent: 'claude-code' }, {}, ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN']],
  [{ agent: 'claude-code' }, { CLAUDE_AUTH_MODE: 'oauth-token' }, ['CLAUDE_CODE_OAUTH_TOKEN']],
  [{ agent: 'claude-code' }, { CLAUDE_AUTH_MODE: 'odd' }, ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN']],
  [{ agent: 'copilot' }, {}, ['COPILOT_GITHUB_TOKEN']],
  // The endpoint of one's own gets its key, and never GitHub's.
  [{ agent: 'copilot', baseUrl: 'http://x' }, {}, ['OPENAI_API_KEY']],
  [{ agent: 'opencode' }, {}, ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'GEMINI_API_KEY']],
  [{ agent: 'opencode', model: 'google/gemini-3' }, {}, ['GEMINI_API_KEY']],
  [{ agent: 'opencode', model: 'a/b', baseUrl: 'http://x' }, {}, ['OPENAI_API_KEY']],
])('%j with %j needs one of %j', (settings, choices, names) => {
  expect(credentialsFor(settings, choices)).toEqual(names);
});
