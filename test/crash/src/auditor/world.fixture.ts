import type { JournalEntry } from '@capstan/test-support';
import type { World } from './world.js';

/** As `World`, but open to a doctor. */
export type Writable<T> = T extends string | number | boolean | null | undefined
  ? T
  : { -readonly [Key in keyof T]: Writable<T[Key]> };

const NOW = 1_800_000_000_000;
const ANVIL = 'acme/anvil';

export const GREEN = {
  ...{ name: 't1-green', task: '00000000-0000-7000-8000-0000aaaaaaa1', run: 'run-1' },
  ...{ head: 'a'.repeat(40), merge: 'b'.repeat(40), branch: 'capstan/aaaaaaa1-t1-green' },
} as const;
export const IDLE = { name: 't2-no_changes', task: '00000000-0000-7000-8000-0000aaaaaaa2', run: 'run-2' } as const;

/** A world where everything is right: a merged task of a ticket, and a posted one whose agent changed nothing. */
export function aRightWorld(): Writable<World> {
  return structuredClone(RIGHT) as Writable<World>;
}

const EFFECTS = [
  { id: uuid(1), kind: 'comment_ticket', key: 'comment_ticket:k:picked_up' },
  { id: uuid(2), kind: 'comment_ticket', key: 'comment_ticket:k:pull_request' },
  { id: uuid(3), kind: 'comment_ticket', key: 'comment_ticket:k:done' },
  { id: uuid(4), kind: 'merge_pull_request', key: 'merge_pull_request:k' },
].map((effect) => ({ ...effect, taskId: GREEN.task, state: 'done', code: null, lastError: null }));

const PUSH: JournalEntry = {
  ...{ kind: 'push', at: NOW, fullName: ANVIL, ref: `refs/heads/${GREEN.branch}` },
  ...{ before: '0'.repeat(40), after: GREEN.head, login: 'capstan-bot' },
};
const MERGE: JournalEntry = {
  ...{ kind: 'request', at: NOW, receivedAt: NOW, method: 'PUT', path: `/repos/${ANVIL}/pulls/2/merge`, status: 200 },
  ...{ login: 'capstan-bot', conditional: false },
};

const RIGHT: World = {
  now: NOW,
  worktreesKeptMs: 20_000,
  wanted: [
    { name: GREEN.name, kind: 'green', fullName: ANVIL, ticket: 1, postedId: null },
    { name: IDLE.name, kind: 'no_changes', fullName: ANVIL, ticket: null, postedId: IDLE.task },
  ],
  agents: [GREEN, IDLE].map(({ name, run }, index) => ({
    ...{ runId: run, name, starts: [{ at: NOW - 9_000 + index, pid: 10 + index }], lines: [1, 2, 3], micros: 1_500 },
    end: { at: NOW - 5_000, code: 0 },
  })),
  takenLives: [],
  database: {
    tasks: [
      {
        ...{ id: GREEN.task, title: GREEN.name, fullName: ANVIL, state: 'completed', attention: null, intent: null },
        ...{ ticketKey: '1', branch: GREEN.branch, generation: 1, costUsd: '0.001500', endedAt: NOW - 30_000 },
      },
      {
        ...{ id: IDLE.task, title: IDLE.name, fullName: ANVIL, state: 'needs_attention', attention: 'no_changes' },
        ...{ intent: null, ticketKey: null, branch: null, generation: 1, costUsd: '0.001500', endedAt: null },
      },
    ],
    runs: [GREEN, IDLE].map(({ run, task }) => ({
      ...{ id: run, taskId: task, number: 1, state: 'finished', outcome: run === GREEN.run ? 'commits' : 'no_changes' },
      ...{ detail: 'x', owner: null, headSha: GREEN.head, costUsd: '0.001500', logSequence: 4 },
    })),
    logs: [GREEN, IDLE].map(({ run, name }) => ({
      ...{ runId: run, sequences: [1, 2, 3, 4], texts: [1, 2, 3].map((n) => `${name} line ${n}`) },
    })),
    usage: [GREEN, IDLE].map(({ run }) => ({ runId: run, costUsd: '0.0015' })),
    effects: EFFECTS,
    pullRequests: [
      {
        ...{ taskId: GREEN.task, branch: GREEN.branch, number: 2, state: 'merged' },
        ...{ pushedSha: GREEN.head, mergeCommit: GREEN.merge },
      },
    ],
    worktrees: [
      { taskId: GREEN.task, podName: 'pod', path: `/pods/pod/worktrees/${GREEN.task}-g1/tree`, removed: false },
      { taskId: IDLE.task, podName: 'pod', path: `/pods/pod/worktrees/${IDLE.task}-g1/tree`, removed: false },
    ],
    pods: [{ name: 'pod', state: 'ready', deleted: false }],
    ...{ parked: [], outbox: [{ id: 'o', event: 'task.changed', ageMs: 20 }], unanswered: [], locks: [] },
  },
  forge: [
    {
      fullName: ANVIL,
      branches: [
        { name: 'main', sha: GREEN.merge },
        { name: GREEN.branch, sha: GREEN.head },
      ],
      commits: [
        { sha: 'c'.repeat(40), author: 'acme', subject: 'Initial commit' },
        { sha: 'd'.repeat(40), author: 'ann', subject: 'Update work/x.txt' },
        { sha: GREEN.merge, author: 'capstan-bot', subject: `${GREEN.name} (#2)` },
      ],
      files: { [`work/${GREEN.name}.txt`]: `${GREEN.name} is done\n` },
      issues: [
        {
          ...{ number: 1, title: GREEN.name, state: 'closed' },
          comments: [1, 2, 3].map((n) => ({ id: n, author: 'capstan-bot', body: comment(n) })),
        },
        { number: 2, title: GREEN.name, state: 'closed', comments: [] },
      ],
      pulls: [
        {
          ...{ number: 2, branch: GREEN.branch, headSha: GREEN.head, state: 'closed', merged: true },
          mergeCommit: GREEN.merge,
        },
      ],
    },
  ],
  journal: [PUSH, MERGE],
  machine: {
    ...{ processes: [], pods: ['pod'], lockFiles: [] },
    worktrees: [GREEN, IDLE].map(({ task }) => `pod/${task}-g1`),
  },
  hosts: [
    {
      name: 'scheduler/0',
      events: [
        { at: NOW, what: 'started', pid: 1 },
        { at: NOW, what: 'ended', pid: 1, code: null, signal: 'SIGKILL', asked: true },
      ],
    },
  ],
  complaints: [],
};

function uuid(n: number): string {
  return `00000000-0000-7000-8000-00000000000${n}`;
}

/** The body of a comment that the nth effect made. */
export function comment(n: number): string {
  return `Words.\n\n<!-- capstan:effect:${uuid(n)} -->`;
}
