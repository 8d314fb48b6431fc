import { fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Credential } from '#lib/api/types.ts';
import CredentialRow from './credential-row.svelte';
import { neededWords, shownState, troubledPlaces, verifySeconds } from './credential-words.ts';

const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
const need = (repository: string, agent: string | null = null) => ({
  repositoryId: '0193a5e0-0000-7000-8000-000000000001',
  repository,
  agent,
});
const credential: Credential = {
  name: 'OPENAI_API_KEY',
  alternatives: [],
  owner: 'workspace',
  repositoryId: null,
  neededBy: [need('acme/web', 'Codex')],
  provider: 'OpenAI',
  state: 'refused',
  words: 'Incorrect API key',
  checkedAt: ago(70),
  lastConclusive: null,
  checking: false,
  nextVerifyAt: ago(10),
  setAt: ago(86_400),
  checks: [],
};

let asked: string[];
let answer: { status: number; body: unknown };
beforeEach(() => {
  asked = [];
  answer = { status: 200, body: credential };
  vi.stubGlobal('fetch', async (url: string, { method }: RequestInit) => {
    asked.push(`${method} ${url}`);
    return new Response(JSON.stringify(answer.body), { status: answer.status });
  });
});
afterEach(() => vi.unstubAllGlobals());

function show(more: Partial<Credential> = {}) {
  const done: string[] = [];
  render(CredentialRow, {
    credential: { ...credential, ...more },
    owner: null,
    onset: (name: string) => void done.push(`set ${name}`),
    onforget: () => void done.push('forget'),
    onverified: () => void done.push('verified'),
  });
  return done;
}
const press = (name: string) => fireEvent.click(screen.getByRole('button', { name }));

describe('a credential', () => {
  it('says its state in words, what its provider said, who needs it and what helps', () => {
    show();
    for (const words of ['Refused', 'OPENAI_API_KEY', 'all repositories', 'needed by Codex in acme/web'])
      expect(screen.getByText(words)).toBeTruthy();
    expect(screen.getByText(/“Incorrect API key”/)).toBeTruthy();
    expect(screen.getByText(/Replace it by one/)).toBeTruthy();
  });

  it('is asked about for one repository by its own address', async () => {
    const done = show({ repositoryId: need('x').repositoryId });
    await press('Verify OPENAI_API_KEY');
    await vi.waitFor(() => expect(done).toEqual(['verified']));
    expect(asked).toEqual([`POST /api/secrets/OPENAI_API_KEY/verify?repositoryId=${need('x').repositoryId}`]);
  });

  it('of one’s own is asked about as such, and says whose tasks it is for', async () => {
    const done = show({ owner: 'mine' });
    expect(screen.getByText('my tasks')).toBeTruthy();
    await press('Verify OPENAI_API_KEY');
    await vi.waitFor(() => expect(done).toEqual(['verified']));
    expect(asked).toEqual(['POST /api/me/secrets/OPENAI_API_KEY/verify']);
  });

  it('tells of a refusal to ask, and asks for what is shown anew', async () => {
    answer = { status: 429, body: { title: 'Too many requests', detail: 'Within the minute', status: 429 } };
    const done = show();
    await press('Verify OPENAI_API_KEY');
    await vi.waitFor(() => expect(screen.getByText('Within the minute')).toBeTruthy());
    expect(done).toEqual(['verified']);
  });

  it('counts down until it may be asked about again', () => {
    show({ nextVerifyAt: new Date(Date.now() + 41_500).toISOString() });
    const button = screen.getByRole('button', { name: /^Verify OPENAI_API_KEY, in 4\d seconds$/ });
    expect((button as HTMLButtonElement).disabled).toBe(true);
    expect(button.textContent).toMatch(/^\s*Verify in 4\d s\s*$/);
  });

  it('that is missing names each that would do, and leads to the form for it', async () => {
    const done = show({ state: 'missing', alternatives: ['OTHER_KEY'], nextVerifyAt: null, setAt: null });
    expect(screen.queryByRole('button', { name: /Verify|Forget/ })).toBeNull();
    await press('Set OTHER_KEY');
    expect(done).toEqual(['set OTHER_KEY']);
  });
});

describe('its words', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  const at = (seconds: number) => new Date(now + seconds * 1_000).toISOString();

  it.each([
    [{ state: 'missing', provider: null }, 'missing'],
    [{ state: 'unchecked', provider: null }, 'set'],
    [{ state: 'valid', checking: true, setAt: at(-5) }, 'checking'],
    [{ state: 'valid', checking: true, nextVerifyAt: at(55) }, 'checking'],
    // Nobody has checked it within a minute: nobody does.
    [{ state: 'unchecked', checking: true, setAt: at(-61) }, 'unchecked'],
    [{ state: 'expired' }, 'expired'],
  ] as const)('%j is shown as %s', (more, shown) => {
    expect(shownState({ ...credential, setAt: at(-9_999), nextVerifyAt: at(-9_999), ...more }, now)).toBe(shown);
  });

  it('names who needs it with a few of the places', () => {
    const many = ['a', 'b', 'c', 'd', 'e'].map((name) => need(name, 'Codex'));
    expect(neededWords([...many, need('a')])).toEqual(['Codex in a, b, c and 2 more', 'Capstan in a']);
  });

  it('counts whole seconds, never more than a minute', () => {
    expect([verifySeconds(null, now), verifySeconds(at(-1), now), verifySeconds(at(1.2), now)]).toEqual([0, 0, 2]);
    expect(verifySeconds(at(600), now)).toBe(60);
  });

  it('names the places of several where it is not as it should be', () => {
    const place = (subject: string, state: Credential['checks'][number]['state']) => ({
      ...{ subject, state, words: null, checkedAt: null },
    });
    expect(troubledPlaces({ checks: [place('a', 'refused')] })).toEqual([]);
    expect(
      troubledPlaces({ checks: [place('a', 'valid'), place('b', 'refused'), place('c', 'unchecked')] }).map(
        ({ subject }) => subject,
      ),
    ).toEqual(['b']);
  });
});
