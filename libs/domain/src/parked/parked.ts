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
  ticket: 'ticket-sync',
  delivery: 'webhooks',
  outbox: 'relay',
};

/** @param effectKind of an effect, whose executor it is that owns it. */
export function parkedOwner(kind: ParkedKind, effectKind: EffectKind | null): ParkedOwner {
  return kind === 'effect' ? EFFECT_EXECUTORS[effectKind!] : OWNERS[kind];
}
