import { TASK_STATES } from '@capstan/domain';
import type { Task } from '@capstan/api';
import { UsageError } from '../exit-code.js';
import { clockOf, plain, wordsOf, type Terminal } from '../terminal.js';

/** Eight hexadecimal digits, or a UUID. */
const TASK_ID = /^([0-9a-f]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The TASK of a command. @throws UsageError for what no task can be called */
export function taskArgument(args: readonly string[]): string {
  const given = args[0] ?? '';
  const id = given.replace(/^#/, '').toLowerCase();
  if (TASK_ID.test(id)) return id;
  throw new UsageError(
    `"${plain(given)}" is no task; expected a short id like 4b7a23d2, or a whole id (capstan get tasks lists them)`,
  );
}

/** The value of --state, also in words (`needs attention`). @throws UsageError */
export function stateOption(value: string | boolean | undefined): Task['state'] | undefined {
  if (typeof value !== 'string') return undefined;
  const state = TASK_STATES.find((each) => each === value.trim().replaceAll(/[ -]/g, '_'));
  if (state !== undefined) return state;
  throw new UsageError(`unsupported --state "${plain(value)}"; expected one of ${TASK_STATES.join(', ')}`);
}

/** A task's state in words, with what is being done about it. */
export function stateWords(task: Pick<Task, 'state' | 'intent' | 'stalled'>): string {
  if (task.intent === null && task.state === 'running' && task.stalled) return 'stalled';
  switch (task.intent) {
    case 'cancel':
      return 'cancelling';
    case 'restart':
      return 'restarting';
    case 'redo':
      return 'redoing';
    case null:
      return wordsOf(task.state);
  }
}

/** A task's state in its colour. */
export function paintState(terminal: Terminal, state: Task['state'], text: string): string {
  switch (state) {
    case 'completed':
      return terminal.green(text);
    case 'failed':
      return terminal.red(text);
    case 'needs_attention':
      return terminal.yellow(text);
    case 'provisioning':
    case 'running':
    case 'pr_opened':
      return terminal.bold(text);
    case 'waiting':
    case 'queued':
    case 'cancelled':
      return terminal.dim(text);
  }
}

/** `#2 merged`, `#2 open, red`; nothing where there is none. */
export function pullRequestWords(task: Pick<Task, 'pullRequest'>): string {
  const { pullRequest } = task;
  if (pullRequest === null) return '';
  const number = pullRequest.number === null ? '' : `#${pullRequest.number} `;
  const checks =
    pullRequest.state === 'open' && pullRequest.checks !== 'none' ? `, ${wordsOf(pullRequest.checks)}` : '';
  return `${number}${wordsOf(pullRequest.state)}${checks}`;
}

/** Why a task waits, failed or needs a person, and what helps; undefined where nothing is to be said. */
export function whyWords(task: Pick<Task, 'attention' | 'waiting' | 'stalledSince'>): string | undefined {
  const why = task.attention ?? task.waiting;
  if (why === null) {
    if (task.stalledSince === null) return undefined;
    return `Stalled: no line since ${clockOf(task.stalledSince)}. The run goes on; look at the end of its log`;
  }
  const position = task.attention === null && task.waiting !== null ? task.waiting.position : null;
  const facts = [why.title, why.detail, position === null ? '' : `position ${position} in the queue`];
  const sentence = facts
    .map((fact) => fact.replace(/\.$/, ''))
    .filter((fact) => fact !== '')
    .join(' · ');
  return plain(why.remedy ? `${sentence}. ${why.remedy}` : sentence);
}
