import { expect, it } from 'vitest';
import type { Repository } from '#lib/api/types.ts';
import { change, creation, draftOf } from './repository-form-state.ts';

const stored = (agent: Repository['agent']) =>
  ({ ...({} as Repository), fullName: 'acme/app', version: 3, agent, limits: {} }) as Repository;

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
