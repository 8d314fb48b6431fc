import { fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ParkedRow } from '#lib/api/types.ts';
import ParkedCard from './parked-card.svelte';

const row: ParkedRow = {
  kind: 'run',
  id: '0193a5e0-0000-7000-8000-00000000abcd',
  shortId: '0000abcd',
  subject: 'Run 2: Fix the border',
  task: { id: '0193a5e0-0000-7000-8000-0000000000a1', shortId: '000000a1', title: 'Fix the border' },
  repository: { id: '0193a5e0-0000-7000-8000-000000000001', fullName: 'acme/web' },
  attempts: 8,
  lastError: { code: 'forge_unreachable', title: 'The forge is away', detail: '502', remedy: 'Wait.' },
  parkedAt: new Date().toISOString(),
  holds: 'Slot 1 of pod web-0',
  dropMeans: 'The run is ended as failed and its slot is free.',
  asked: null,
};

/** What the gateway is asked, and what it answers. */
let asked: string[];
let answer: { status: number; body: unknown };
beforeEach(() => {
  asked = [];
  vi.stubGlobal('fetch', async (url: string, { method }: RequestInit) => {
    asked.push(`${method} ${url}`);
    return new Response(JSON.stringify(answer.body), { status: answer.status });
  });
});
afterEach(() => vi.unstubAllGlobals());

const show = (more: { mayAct?: boolean; row?: Partial<ParkedRow> } = {}) => {
  const done: string[] = [];
  render(ParkedCard, {
    row: { ...row, ...more.row },
    mayAct: more.mayAct ?? true,
    ondone: (words: string) => void done.push(words),
  });
  return done;
};
const press = (name: string) => fireEvent.click(screen.getByRole('button', { name }));

describe('a parked row', () => {
  it('says what it is, why it failed, what helps and what it holds', () => {
    show();
    for (const words of ['Run', 'The forge is away', '502', 'Wait.', 'acme/web'])
      expect(screen.getByText(words)).toBeTruthy();
    expect(screen.getByText(/Slot 1 of pod web-0/)).toBeTruthy();
    expect(screen.getByRole('link', { name: 'task 000000a1' }).getAttribute('href')).toBe(`/tasks/${row.task!.id}`);
  });

  it('is dropped only when that is confirmed, with what it comes to', async () => {
    answer = { status: 200, body: { answer: { applied: true, code: 'dropped', detail: 'The run is ended' } } };
    const done = show();
    await press(`Drop ${row.subject}`);
    expect(asked).toEqual([]);
    expect(screen.getByText(row.dropMeans)).toBeTruthy();
    await press('Drop it');
    await vi.waitFor(() => expect(done).toEqual(['Run 2: Fix the border: The run is ended.']));
    expect(asked).toEqual([`POST /api/parked/run/${row.id}/drop`]);
  });

  it('shows why a drop is refused, and what to do instead', async () => {
    const problem = { title: 'Refused', code: 'drop_refused', detail: 'It would be lost', remedy: 'Replay it.' };
    answer = { status: 409, body: problem };
    const done = show();
    await press(`Drop ${row.subject}`);
    await press('Drop it');
    expect(await screen.findByText('It would be lost')).toBeTruthy();
    expect(screen.getByText(/Replay it\./)).toBeTruthy();
    expect(done).toEqual([]);
  });

  it('says that it was asked where the owner has not answered yet', async () => {
    answer = { status: 202, body: { answer: null } };
    const done = show();
    await press(`Replay ${row.subject}`);
    await press('Replay');
    await vi.waitFor(() => expect(done[0]).toContain('has not answered yet'));
  });

  it('has no buttons for those who may only look', () => {
    show({ mayAct: false });
    expect(screen.queryAllByRole('button')).toEqual([]);
  });
});
