import { EFFECT_EXECUTORS, type EffectKind } from '../effect/effect.js';

/**
 * Rows that can be set aside for a person: they failed at their cap, and neither events nor resync touch them until
 * somebody replays or drops them. This list is the dead letters.
 */
export const PARKED_KINDS = [
  'task',
  'task_request',
  'run',
  'pod',
  'pull_request',
  'effect',
  'ticket_source',
  'ticket',
  'delivery',
  'outbox',
] as const;
export type ParkedKind = (typeof PARKED_KINDS)[number];

/** What a person may do about one: have it tried again from the start, or decide that it isn't to be done. */
export const PARKED_ACTIONS = ['replay', 'drop'] as const;
export type ParkedAction = (typeof PARKED_ACTIONS)[number];

/** Who may update a row, and so applies what is asked of it. The relay is in every host. */
export type ParkedOwner =
  'scheduler' | 'agent-runner' | 'pod-pool' | 'pr-watcher' | 'ticket-sync' | 'webhooks' | 'relay';

const OWNERS: Readonly<Record<Exclude<ParkedKind, 'effect'>, ParkedOwner>> = {
  task: 'scheduler',
  task_request: 'scheduler',
  run: 'agent-runner',
  pod: 'pod-pool',
  pull_request: 'pr-watcher',
  ticket_source: 'ticket-sync',
  ticket: 'ticket-sync',
  delivery: 'webhooks',
  outbox: 'relay',
};

/** @param effectKind of an effect, whose executor it is that owns it. */
export function parkedOwner(kind: ParkedKind, effectKind: EffectKind | null): ParkedOwner {
  return kind === 'effect' ? EFFECT_EXECUTORS[effectKind!] : OWNERS[kind];
}

/** What dropping a row comes to, for the person who is about to. Its owner may still refuse, and says why. */
export const DROP_MEANS: Readonly<Record<ParkedKind, string>> = {
  task: 'The task is cancelled; its branch and its pull request stay.',
  task_request: 'The request is answered with "dropped"; the task stays as it is.',
  run: 'The run is ended as failed and its slot is free. Where its agent was launched, nothing of it is published and its pod is replaced.',
  pod: 'The pod is deleted; another one is made when there is work. Refused while an agent is at work in it.',
  pull_request: 'The work is not published. Refused while the pull request is open at the forge.',
  effect: 'The write is recorded as dropped and never done. A task whose work it carries needs a person then.',
  ticket_source: 'The source is switched off: no further ticket becomes a task. Tasks that it brought go on.',
  ticket: 'Nothing more is said on the ticket, and Capstan does not close it.',
  delivery: 'The delivery is taken off the list. What it told is found by the next look at the forge or the tracker.',
  outbox: 'The event is not told. Whom it would have woken finds the same by looking, seconds later.',
};
