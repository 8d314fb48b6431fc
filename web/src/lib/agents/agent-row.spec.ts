import { fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Agent } from '#lib/api/types.ts';
import AgentRow from './agent-row.svelte';

const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
const ID = '0193a5e0-0000-7000-8000-000000000001';
const agent: Agent = {
  ...{ name: 'codex', title: 'Codex', credentials: ['OPENAI_API_KEY'], options: [], set: [] },
  program: { name: 'codex', package: '@openai/codex', tried: '0.169.0' },
  machines: [
    {
      ...{ host: 'laptop', path: '/usr/bin/codex', version: '0.140.0', older: true, problem: null, lookedAt: ago(9) },
      logIn: { state: 'unusable', place: '~/.codex/auth.json', words: 'An account of ChatGPT', secrets: [] },
    },
  ],
  credentialFrom: 'missing',
  fixes: [{ words: 'Bring it up to date', command: 'npm install -g @openai/codex@latest' }],
  test: {
    ...{ id: ID, repositoryId: null, state: 'failed', askedAt: ago(60), answeredAt: ago(50), words: '' },
    ...{ durationMs: null, costUsd: null, isolation: null },
    failure: { code: 'credential_missing', title: 'Credential missing', detail: 'None is set', remedy: 'Set it.' },
  },
  nextTestAt: ago(45),
};

let asked: [call: string, body: unknown][];
let answer: { status: number; body: unknown };
beforeEach(() => {
  asked = [];
  answer = { status: 202, body: agent.test };
  vi.stubGlobal('fetch', async (url: string, { method, body }: RequestInit) => {
    asked.push([`${method} ${url}`, JSON.parse(String(body))]);
    return new Response(JSON.stringify(answer.body), { status: answer.status });
  });
});
afterEach(() => vi.unstubAllGlobals());

function show(more: Partial<Agent> = {}, repositories: { id: string; fullName: string }[] = []) {
  const done: string[] = [];
  render(AgentRow, { agent: { ...agent, ...more }, repositories, ontested: () => void done.push('tested') });
  return done;
}
const press = (name: string) => fireEvent.click(screen.getByRole('button', { name }));

it('says where it was found, what is wrong, the command that puts it right, and how the last test failed', () => {
  show();
  for (const words of ['No credential', '/usr/bin/codex', '~/.codex/auth.json', 'An account of ChatGPT', 'Set it.'])
    expect(screen.getByText(words)).toBeTruthy();
  expect(screen.getByText('npm install -g @openai/codex@latest').tagName).toBe('CODE');
  expect(screen.getByTestId('agent-test').textContent).toContain('Credential missing: None is set');
});

it('is tested as in the first repository that uses it, or with the workspace’s secrets', async () => {
  const done = show({}, [{ id: ID, fullName: 'acme/web' }]);
  await press('Test Codex');
  await vi.waitFor(() => expect(done).toEqual(['tested']));
  await fireEvent.change(screen.getByLabelText('Test Codex as in'), { target: { value: '' } });
  await press('Test Codex');
  await vi.waitFor(() => expect(done).toHaveLength(2));
  expect(asked).toEqual([
    ['POST /api/agents/codex/test', { repositoryId: ID }],
    ['POST /api/agents/codex/test', {}],
  ]);
});

it('can’t be tested while a test goes on, or a moment after one; any program has no test', () => {
  show({ test: { ...agent.test!, state: 'running', askedAt: ago(3), answeredAt: null } });
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Test Codex' }).disabled).toBe(true);
  expect(screen.getByText('Testing …')).toBeTruthy();
  document.body.replaceChildren();
  show({ nextTestAt: ago(-9) });
  expect(screen.getByRole<HTMLButtonElement>('button', { name: /^Test Codex, in \d+ seconds$/ }).disabled).toBe(true);
  document.body.replaceChildren();
  show({ program: null, machines: [], fixes: [], test: null });
  expect(screen.queryByRole('button', { name: /Test/ })).toBeNull();
});

it('says why a test was refused', async () => {
  answer = {
    status: 429,
    body: { title: 'Too many requests', status: 429, code: 'too_many_requests', detail: 'Later.' },
  };
  const done = show();
  await press('Test Codex');
  await vi.waitFor(() => expect(done).toEqual(['tested']));
  expect(screen.getByText(/Later\./)).toBeTruthy();
});
