import { expect, it } from 'vitest';
import type { Agent } from '../api/types.ts';
import { agentWords, credentialWords, isTesting, testFacts, testSeconds } from './agent-words.ts';

const NOW = Date.parse('2026-11-22T00:00:00Z');
const machine = (over: Partial<Agent['machines'][number]> = {}): Agent['machines'][number] => ({
  ...{ host: 'one', path: '/usr/bin/codex', version: '1.0.0', older: false, problem: null, logIn: null },
  lookedAt: '2026-11-22T00:00:00Z',
  ...over,
});
const problem = { code: 'agent_not_found', title: 't', detail: 'd', remedy: null };
const program = { name: 'codex', package: '@openai/codex', tried: '1.0.0' };

it.each<[string, Partial<Agent>]>([
  ['Ready', {}],
  ['Any program', { program: null, machines: [] }],
  ['Not looked for yet', { machines: [] }],
  ['Not installed', { machines: [machine({ path: null })], credentialFrom: 'missing' }],
  ['Does not start', { machines: [machine({ problem })], credentialFrom: 'missing' }],
  ['No credential', { machines: [machine({ older: true })], credentialFrom: 'missing' }],
  ['Not everywhere', { machines: [machine(), machine({ host: 'two', path: null })] }],
  ['Older than tried', { machines: [machine({ older: true })] }],
])('is called %s: what most stands in the way', (label, over) => {
  expect(agentWords({ program, machines: [machine()], credentialFrom: 'secret', ...over }).label).toBe(label);
});

it('names the secret that is set, and no choice beside it', () => {
  const agent = { credentials: ['OPENAI_API_KEY', 'B'], set: ['B', 'CLAUDE_AUTH_MODE'] };
  expect(credentialWords({ ...agent, credentialFrom: 'secret' })).toBe('Secret B');
  expect(credentialWords({ ...agent, credentialFrom: 'log_in' })).toBe('The log-in on this machine');
});

it('says what a test came to, with a cost that is not known as such', () => {
  expect(testFacts({ durationMs: 3_200, costUsd: '0.0125', isolation: 'isolated' })).toBe('3 s · $0.01 · isolated');
  expect(testFacts({ durationMs: 900, costUsd: null, isolation: 'not_isolated' })).toBe(
    '900 ms · cost not known · not isolated',
  );
  expect(testFacts({ durationMs: null, costUsd: null, isolation: null })).toBe('');
});

it('a test goes on until it is answered, and not for ever where nobody answers', () => {
  const askedAt = new Date(NOW - 10_000).toISOString();
  expect(isTesting({ state: 'running', askedAt }, NOW)).toBe(true);
  expect(isTesting({ state: 'waiting', askedAt: new Date(NOW - 200_000).toISOString() }, NOW)).toBe(false);
  expect(isTesting({ state: 'passed', askedAt }, NOW)).toBe(false);
  expect(isTesting(null, NOW)).toBe(false);
  expect(testSeconds(new Date(NOW + 4_100).toISOString(), NOW)).toBe(5);
  expect([testSeconds(null, NOW), testSeconds(askedAt, NOW)]).toEqual([0, 0]);
});
