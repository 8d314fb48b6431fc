import type { BoardColumn, PullRequest, Run, Task, TaskAction, TaskState } from './api/types.ts';

/** Tones are names of design tokens (app.css); each is always shown with an icon and a word. */
export type Tone = 'queued' | 'working' | 'needs' | 'failed' | 'review' | 'done';

export const COLUMNS: readonly { readonly column: BoardColumn; readonly label: string; readonly tone: Tone }[] = [
  { column: 'queued', label: 'Queued', tone: 'queued' },
  { column: 'working', label: 'Working', tone: 'working' },
  { column: 'needs_you', label: 'Needs you', tone: 'needs' },
  { column: 'in_review', label: 'In review', tone: 'review' },
  { column: 'done', label: 'Done', tone: 'done' },
];

const STATES: Readonly<Record<TaskState, { readonly label: string; readonly tone: Tone }>> = {
  waiting: { label: 'Waiting', tone: 'queued' },
  queued: { label: 'Queued', tone: 'queued' },
  provisioning: { label: 'Getting ready', tone: 'working' },
  running: { label: 'Working', tone: 'working' },
  pr_opened: { label: 'In review', tone: 'review' },
  needs_attention: { label: 'Needs you', tone: 'needs' },
  failed: { label: 'Failed', tone: 'failed' },
  cancelled: { label: 'Cancelled', tone: 'queued' },
  completed: { label: 'Done', tone: 'done' },
};

export function stateLabel(state: TaskState): string {
  return STATES[state].label;
}

export function stateTone(state: TaskState): Tone {
  return STATES[state].tone;
}

/** A ticket as people call it: the forge's bare number gets its sign, a repository before it goes; PROJ-7 stays. */
export function ticketLabel(key: string): string {
  return /^\d+$/.test(key) ? `#${key}` : key.replace(/^.*(?=#)/, '');
}

/** The state in words, with the intent first: what somebody asked for is more telling than where it still is. */
export function taskLabel(task: Pick<Task, 'state' | 'intent' | 'stalled' | 'pullRequest'>): string {
  if (task.intent === 'cancel') return 'Cancelling …';
  if (task.intent === 'restart') return 'Restarting …';
  if (task.intent === 'redo') return 'Redoing …';
  if (task.state === 'running' && task.stalled) return 'Stalled';
  if (task.state === 'completed' && task.pullRequest?.state === 'merged') return 'Merged';
  return stateLabel(task.state);
}

export const CHECKS: Readonly<Record<PullRequest['checks'], { readonly label: string; readonly tone: Tone }>> = {
  none: { label: 'No checks', tone: 'queued' },
  pending: { label: 'Checks running', tone: 'needs' },
  green: { label: 'Checks green', tone: 'done' },
  red: { label: 'Checks red', tone: 'failed' },
  unknown: { label: 'Checks unknown', tone: 'queued' },
};

/** The same in one word, for where the icon beside it and the number of the pull request say the rest. */
export const CHECKS_IN_A_WORD: Readonly<Record<PullRequest['checks'], string>> = {
  none: 'no checks',
  pending: 'running',
  green: 'green',
  red: 'red',
  unknown: 'unknown',
};

export const REVIEWS: Readonly<Record<PullRequest['reviews'], { readonly label: string; readonly tone: Tone }>> = {
  none: { label: 'No review', tone: 'queued' },
  pending: { label: 'Review pending', tone: 'needs' },
  approved: { label: 'Approved', tone: 'done' },
  changes_requested: { label: 'Changes requested', tone: 'failed' },
  unknown: { label: 'Reviews unknown', tone: 'queued' },
};

export const PULL_REQUEST_STATES: Readonly<
  Record<PullRequest['state'], { readonly label: string; readonly tone: Tone }>
> = {
  publishing: { label: 'Publishing', tone: 'working' },
  open: { label: 'Open', tone: 'review' },
  refused: { label: 'Refused', tone: 'failed' },
  merged: { label: 'Merged', tone: 'done' },
  closed: { label: 'Closed', tone: 'queued' },
};

export const RUN_REASONS: Readonly<Record<Run['reason'], string>> = {
  initial: 'First run',
  ci_failed: 'CI was red',
  conflict: 'Merge conflict',
  changes_requested: 'Changes requested',
  message: 'Message',
  retry: 'Retry',
  restart: 'Restart',
};

export const OUTCOMES: Readonly<
  Record<NonNullable<Run['outcome']>['kind'], { readonly label: string; readonly tone: Tone }>
> = {
  commits: { label: 'Commits', tone: 'done' },
  no_changes: { label: 'No changes', tone: 'needs' },
  failed: { label: 'Failed', tone: 'failed' },
  credential_refused: { label: 'Credential refused', tone: 'failed' },
  rate_limited: { label: 'Rate limited', tone: 'needs' },
  limit_reached: { label: 'Limit reached', tone: 'needs' },
  lost: { label: 'Lost', tone: 'failed' },
  stopped: { label: 'Stopped', tone: 'queued' },
};

interface ActionWords {
  readonly label: string;
  /** Asked before it is done; null for what harms nothing. */
  readonly confirm: { readonly title: string; readonly text: string; readonly verb: string } | null;
  readonly destructive: boolean;
}

export const ACTIONS: Readonly<Record<TaskAction, ActionWords>> = {
  message: { label: 'Message', destructive: false, confirm: null },
  interrupt: { label: 'Interrupt', destructive: false, confirm: null },
  cancel: {
    label: 'Cancel',
    destructive: true,
    confirm: {
      title: 'Cancel this task?',
      text: 'The agent is stopped, and the task is cancelled once it is confirmed gone. Its branch and pull request stay; you can retry later.',
      verb: 'Cancel the task',
    },
  },
  retry: { label: 'Retry', destructive: false, confirm: null },
  force_restart: {
    label: 'Force restart',
    destructive: true,
    confirm: {
      title: 'Stop the agent and start it anew?',
      text: 'The run that is under way ends; what it committed stays on the branch, what it did not commit may be lost.',
      verb: 'Restart',
    },
  },
  force_redo: {
    label: 'Force redo',
    destructive: true,
    confirm: {
      title: 'Start over on a new branch?',
      text: 'The pull request is closed with a comment and all work of this task is set aside; only its history is kept.',
      verb: 'Start over',
    },
  },
  check_now: { label: 'Check now', destructive: false, confirm: null },
};

/** What comes of a message, by where the task stands. */
export function messageHint(state: TaskState): string {
  switch (state) {
    case 'waiting':
    case 'queued':
      return 'The agent gets it when it starts.';
    case 'provisioning':
    case 'running':
      return 'An agent that listens while it works hears it at once; any other gets it with a run of its own, after this one.';
    case 'pr_opened':
      return 'The agent goes back in with it, on the same branch.';
    case 'needs_attention':
    case 'failed':
      return 'The task is queued again with it, on the same branch.';
    case 'cancelled':
    case 'completed':
      return 'This task takes no message any more.';
  }
}
