import { expect, it } from 'vitest';
import type { Repository } from '#lib/api/types.ts';
import { change, creation, draftOf } from './repository-form-state.ts';

const stored = (agent: Repository['agent']) =>
  ({ ...({} as Repository), fullName: 'acme/app', version: 3, agent, limits: {} }) as Repository;

it('connects with a token or as an app, and never sends both', () => {
  const draft = { ...draftOf(null), token: 'ghp_1', appSecret: 'GITHUB_APP_1_KEY', agent: 'codex' };
  expect(creation(draft)).toMatchObject({ token: 'ghp_1' });
  expect(creation(draft)).not.toHaveProperty('credentialSecret');
  const asApp = creation({ ...draft, connection: 'app' });
  expect(asApp).toMatchObject({ credentialSecret: 'GITHUB_APP_1_KEY' });
  expect(asApp).not.toHaveProperty('token');
  const before = { ...stored({ agent: 'codex' }), credentialSecret: 'GITHUB_TOKEN', forgeApp: null };
  expect(change(draft, before)).not.toHaveProperty('credentialSecret');
  expect(change({ ...draft, connection: 'app' }, before)).toMatchObject({ credentialSecret: 'GITHUB_APP_1_KEY' });
  const app = { ...before, credentialSecret: 'GITHUB_APP_1_KEY', forgeApp: { id: '1', slug: 'capstan' } };
  expect(draftOf(app)).toMatchObject({ connection: 'app', appSecret: 'GITHUB_APP_1_KEY' });
  expect(change(draftOf(app), app)).not.toHaveProperty('credentialSecret');
});

it('sends an agent the settings that it understands, and none of another one’s', () => {
  const draft = { ...draftOf(null), command: 'my-agent --yes', model: ' m ', baseUrl: ' https://models.example/v1 ' };
  expect(creation({ ...draft, agent: 'command' }).agent).toEqual({
    agent: 'command',
    model: 'm',
    argv: ['my-agent', '--yes'],
    output: 'text',
    promptVia: 'stdin',
  });
  expect(creation({ ...draft, agent: 'codex' }).agent).toEqual({
    agent: 'codex',
    model: 'm',
    baseUrl: 'https://models.example/v1',
  });
});

it('changes what a person changed, and keeps the variables that it doesn’t show', () => {
  const before = stored({ agent: 'claude-code', model: 'a', baseUrl: 'https://m.example', env: { LANG: 'de' } });
  const draft = draftOf(before);
  expect(draft).toMatchObject({ agent: 'claude-code', model: 'a', baseUrl: 'https://m.example' });
  expect(change({ ...draft, model: '' }, before)).toMatchObject({
    version: 3,
    agent: { agent: 'claude-code', baseUrl: 'https://m.example', env: { LANG: 'de' } },
  });
  expect(change({ ...draft, model: '' }, before).agent).not.toHaveProperty('model');
});

it('leaves an agent’s command behind when another one is chosen', () => {
  const before = stored({ agent: 'command', argv: ['x'], output: 'ndjson', input: 'ndjson' });
  expect(change({ ...draftOf(before), agent: 'gemini' }, before).agent).toEqual({ agent: 'gemini' });
  expect(change(draftOf(before), before).agent).toEqual({
    agent: 'command',
    argv: ['x'],
    output: 'ndjson',
    promptVia: 'stdin',
    input: 'ndjson',
  });
});

it('takes the hosts that agents may reach however they are parted, each once', () => {
  const draft = { ...draftOf(null), egressHosts: ' a.example, b.example:8443\n\n*.c.example a.example ' };
  expect(creation(draft).egressHosts).toEqual(['a.example', 'b.example:8443', '*.c.example']);
  const before = { ...stored({ agent: 'gemini' }), egressHosts: ['a.example', 'b.example'] };
  expect(draftOf(before).egressHosts).toBe('a.example\nb.example');
  expect(change({ ...draftOf(before), egressHosts: '' }, before).egressHosts).toEqual([]);
});
