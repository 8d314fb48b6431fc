import { render, screen } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';
import type { Task } from '#lib/api/types.ts';
import TaskCard from './task-card.svelte';

const task: Task = {
  id: '0193a5e0-0000-7000-8000-00000000abcd',
  shortId: '0000abcd',
  kind: 'change',
  title: 'Fix the border',
  state: 'queued',
  column: 'queued',
  priority: 100,
  repository: { id: '0193a5e0-0000-7000-8000-000000000001', fullName: 'acme/web' },
  agent: 'command',
  intent: null,
  waiting: { code: 'global_limit', title: 'Global limit', detail: 'Global limit 5 of 5.', remedy: null, position: 3 },
  attention: null,
  branch: null,
  ticket: { key: '42', url: 'https://example.test/42' },
  pullRequest: null,
  currentRunId: null,
  runCount: 0,
  costUsd: '0.42',
  agentUnconfirmed: false,
  stalled: false,
  stalledSince: null,
  isolation: null,
  createdAt: new Date().toISOString(),
  updatedAt: new Date().toISOString(),
  startedAt: null,
  endedAt: null,
  version: 1,
};
const textOf = (changes: Partial<Task>) => {
  const { container, unmount } = render(TaskCard, { task: { ...task, ...changes } });
  const text = container.textContent.replace(/\s+/g, ' ');
  unmount();
  return text;
};

describe('a card of the board', () => {
  it('links to its task and says why it waits, and where in the queue', () => {
    render(TaskCard, { task });
    expect(screen.getByRole('link').getAttribute('href')).toBe('/tasks/0000abcd');
    expect(textOf({})).toMatch(/Queued no\. 3.*Fix the border.*Global limit 5 of 5\..*acme\/web#42.*\$0\.42/);
  });

  it.each<[Partial<Task>, RegExp]>([
    [{ state: 'running', intent: 'cancel' }, /Cancelling …/],
    [
      { state: 'running', stalled: true, stalledSince: new Date(Date.now() - 11 * 60_000).toISOString() },
      /Stalled.*Last heard of 11 min ago; it goes on\./,
    ],
    [{ state: 'running', agentUnconfirmed: true }, /not confirmed gone/],
    [
      {
        state: 'completed',
        pullRequest: { id: task.id, number: 7, url: null, state: 'merged', checks: 'green', reviews: 'none' },
      },
      /Merged.*Pull request #7 green/,
    ],
    [
      {
        state: 'failed',
        waiting: null,
        attention: { code: 'x', title: 'Credential refused', detail: 'Answered 401.', remedy: 'Set it.' },
      },
      /Failed.*Credential refused\. Answered 401\./,
    ],
  ])('says in words what %j means', (changes, words) => {
    expect(textOf(changes)).toMatch(words);
  });
});
