import { TASK_STATES, type TaskState } from './task.js';

/** One legal change of a task's state. Every change that Capstan makes is one of the values below. */
export interface TaskTransition {
  readonly name: string;
  readonly from: readonly TaskState[];
  readonly to: TaskState;
  /** What it means, in words that a timeline can show. */
  readonly label: string;
}

const NOT_COMPLETED = TASK_STATES.filter((state) => state !== 'completed');
const LIVE = ['waiting', 'queued', 'provisioning', 'running', 'pr_opened', 'needs_attention'] as const;

function transition<Name extends string>(name: Name, from: readonly TaskState[], to: TaskState, label: string) {
  return Object.freeze({ name, from, to, label }) satisfies TaskTransition & { name: Name };
}

/** The whole life of a task (DESIGN §2; from `needs_attention` to `pr_opened` leads the replay of a parked publication). The database's trigger is generated from {@link LEGAL_PAIRS}. */
export const TASK_TRANSITIONS = {
  dependenciesMet: transition('dependenciesMet', ['waiting'], 'queued', 'Dependencies completed'),
  dependencyFailed: transition('dependencyFailed', ['waiting'], 'needs_attention', 'A dependency did not complete'),
  place: transition('place', ['queued'], 'provisioning', 'Placed on a pod'),
  start: transition('start', ['provisioning'], 'running', 'Agent started'),
  requeue: transition('requeue', ['provisioning', 'running'], 'queued', 'Back to the queue'),
  sendBack: transition('sendBack', ['pr_opened'], 'queued', 'Agent sent back in'),
  openPullRequest: transition('openPullRequest', ['running', 'needs_attention'], 'pr_opened', 'Pull request opened'),
  needAttention: transition('needAttention', ['running', 'pr_opened'], 'needs_attention', 'Needs a person'),
  fail: transition('fail', ['provisioning', 'running', 'pr_opened', 'needs_attention'], 'failed', 'Failed'),
  complete: transition(
    'complete',
    NOT_COMPLETED.filter((state) => state !== 'waiting'),
    'completed',
    'Completed',
  ),
  cancel: transition('cancel', LIVE, 'cancelled', 'Cancelled'),
  retry: transition('retry', ['needs_attention', 'failed', 'cancelled'], 'queued', 'Retried'),
} as const;

export type TransitionName = keyof typeof TASK_TRANSITIONS;

/** Every (from, to) that some transition allows, sorted. */
export const LEGAL_PAIRS: readonly (readonly [TaskState, TaskState])[] = [
  ...new Set(Object.values(TASK_TRANSITIONS).flatMap(({ from, to }) => from.map((state) => `${state} ${to}`))),
]
  .sort()
  .map((pair) => pair.split(' ') as [TaskState, TaskState]);

export function canTransition(name: TransitionName, from: TaskState): boolean {
  return (TASK_TRANSITIONS[name].from as readonly TaskState[]).includes(from);
}
