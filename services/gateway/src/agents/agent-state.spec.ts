import type { AgentProgram } from '@capstan/database';
import { agentState, type AgentFacts } from './agent-state.js';

const aProgram = (over: Partial<AgentProgram> = {}): AgentProgram => ({
  ...{ host: 'one', agent: 'claude-code', path: '/usr/bin/claude', version: '2.1.329', problem: null, logIn: null },
  lookedAt: new Date('2026-11-22T00:00:00Z'),
  ...over,
});
const aLogIn = (over: Partial<NonNullable<AgentProgram['logIn']>> = {}): AgentProgram['logIn'] => ({
  ...{ state: 'usable', place: '~/.claude/.credentials.json', words: 'An account', remedy: null },
  secrets: ['CLAUDE_CODE_OAUTH_TOKEN'],
  ...over,
});
const state = (over: Partial<AgentFacts> = {}) =>
  agentState({
    ...{ name: 'claude-code', secrets: new Set<string>(), choices: {}, programs: [aProgram()], test: null },
    ...over,
  });
const INSTALL = 'npm install -g @anthropic-ai/claude-code@latest';

it('nothing is wrong where the program is there and a secret or a log-in is', () => {
  expect(state({ secrets: new Set(['ANTHROPIC_API_KEY']) })).toMatchObject({ credentialFrom: 'secret', fixes: [] });
  expect(state({ programs: [aProgram({ logIn: aLogIn() })] })).toMatchObject({ credentialFrom: 'log_in', fixes: [] });
  expect(state({ name: 'command', programs: [] })).toMatchObject({
    credentialFrom: 'none_needed',
    program: null,
    fixes: [],
  });
});

it.each([
  ['is not there', { path: null, version: null }, 'Install it'],
  [
    'can not be started',
    { version: null, problem: { code: 'agent_not_found' as const, detail: 'no such interpreter' } },
    'Install it anew',
  ],
  [
    'is older than the one that was tried',
    { version: '2.1.99' },
    'Bring it up to date: Capstan was tried with 2.1.329',
  ],
])('a program that %s has the command that puts it right', (_, over, words) => {
  const { fixes } = state({ secrets: new Set(['ANTHROPIC_API_KEY']), programs: [aProgram(over)] });
  expect(fixes).toEqual([{ words, command: INSTALL }]);
});

it('of several machines the one is named where something is wrong', () => {
  const programs = [aProgram(), aProgram({ host: 'two', path: null, version: null })];
  const { fixes, machines } = state({ secrets: new Set(['ANTHROPIC_API_KEY']), programs });
  expect(fixes).toEqual([{ words: 'Install it on two', command: INSTALL }]);
  expect(machines.map(({ host, older }) => [host, older])).toEqual([
    ['one', false],
    ['two', false],
  ]);
});

it('a log-in does for the kind of credential that was chosen, and for no other', () => {
  const programs = [aProgram({ logIn: aLogIn() })];
  expect(state({ programs, choices: { CLAUDE_AUTH_MODE: 'oauth-token' } }).credentialFrom).toBe('log_in');
  expect(state({ programs, choices: { CLAUDE_AUTH_MODE: 'api-key' } }).credentialFrom).toBe('missing');
});

it('what is missing is told with the command of the log-in, or what that says of itself', () => {
  expect(state().fixes).toEqual([
    { words: 'Set ANTHROPIC_API_KEY under Secrets, or log in on this machine', command: 'claude /login' },
  ]);
  const remedy = { words: 'It renews itself when it is used.', command: 'claude -p OK' };
  const expired = aLogIn({ state: 'expired', secrets: [], remedy });
  expect(state({ programs: [aProgram({ logIn: expired })] }).fixes).toEqual([remedy]);
  expect(state({ programs: [] }).fixes).toEqual([{ words: 'Set ANTHROPIC_API_KEY under Secrets', command: null }]);
  // Copilot's log-in could push: only a token that can't may be in a pod.
  expect(state({ name: 'copilot', programs: [aProgram({ agent: 'copilot', version: '1.0.102' })] }).fixes).toEqual([
    { words: 'Set COPILOT_GITHUB_TOKEN under Secrets', command: null },
  ]);
});

it('the last test is told with its failure, the remedy of that very failure before the usual one', () => {
  const row = {
    ...{ id: '0190d5a0-0000-7000-8000-000000000001', agent: 'claude-code', repositoryId: null, claimedUntil: null },
    ...{ createdAt: new Date('2026-11-22T00:00:00Z'), answeredAt: new Date('2026-11-22T00:00:09Z') },
  };
  const answer = { ok: false, words: '', durationMs: null, costUsd: null, isolation: null } as const;
  const failure = { code: 'log_in_expired', detail: 'It has expired', remedy: 'Run claude -p OK.' } as const;
  const { test, nextTestAt } = state({ test: { ...row, answer: { ...answer, failure } } });
  expect(test).toMatchObject({
    state: 'failed',
    failure: { code: 'log_in_expired', detail: 'It has expired', remedy: 'Run claude -p OK.' },
  });
  expect(nextTestAt).toBe('2026-11-22T00:00:15.000Z');
  expect(state({ test: { ...row, answeredAt: null, answer: null } }).test).toMatchObject({ state: 'waiting' });
  const running = { ...row, answeredAt: null, answer: null, claimedUntil: new Date() };
  expect(state({ test: running }).test).toMatchObject({ state: 'running' });
});
