/** One write to the outside world, executed by the one service that holds the credential (DESIGN §3.7). */
export const EFFECT_KINDS = [
  'push_branch',
  'open_pull_request',
  'merge_pull_request',
  'close_pull_request',
  'comment_pull_request',
  'report_head',
  'comment_ticket',
  'close_ticket',
] as const;
export type EffectKind = (typeof EFFECT_KINDS)[number];

/** requested → claimed → done | refused; a failed try goes back to requested with a later `not_before`. */
export const EFFECT_STATES = ['requested', 'claimed', 'done', 'refused'] as const;
export type EffectState = (typeof EFFECT_STATES)[number];

/** The service that executes each kind. */
export const EFFECT_EXECUTORS: Readonly<Record<EffectKind, 'pr-watcher' | 'ticket-sync'>> = {
  push_branch: 'pr-watcher',
  open_pull_request: 'pr-watcher',
  merge_pull_request: 'pr-watcher',
  close_pull_request: 'pr-watcher',
  comment_pull_request: 'pr-watcher',
  report_head: 'pr-watcher',
  comment_ticket: 'ticket-sync',
  close_ticket: 'ticket-sync',
};

/** A write times out after this, ms; nobody repeats it before its deadline. */
export const EFFECT_TIMEOUT_MS = 10_000;
export const EFFECT_DEADLINE_MS = 20_000;
/** Failed tries before an effect is parked for a person. */
export const MAX_EFFECT_ATTEMPTS = 8;

/** The hidden marker by which Capstan knows its own comments. */
export function effectMarker(effectId: string): string {
  return `<!-- capstan:effect:${effectId} -->`;
}
