import { backoffMs, errorText, TransientError, UserError, type Backoff } from '@capstan/domain';
import { MAX_DELIVERIES } from '@capstan/events';

/**
 * What a handler made of an event. Nothing returned means `done`. None of them promises that the work is finished:
 * `done` says that whatever has to survive is in Postgres.
 */
export type Outcome =
  | { readonly kind: 'done' }
  /** Wake me again in `delayMs`; no failure. At the last delivery it is left to the resync instead. */
  | { readonly kind: 'later'; readonly delayMs: number }
  /** Nothing will ever come of this message. */
  | { readonly kind: 'drop'; readonly reason: string };

/** How a call of a handler ended. */
export type HandlerResult =
  { readonly ok: true; readonly outcome: Outcome | undefined } | { readonly ok: false; readonly error: unknown };

/** What the broker is told about a message. */
export type Ack =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak'; readonly delayMs: number }
  | { readonly kind: 'term'; readonly reason: string };

/** Waits between the deliveries of a message that failed. */
export const REDELIVERY_BACKOFF: Backoff = { baseMs: 250, maxMs: 15_000 };

/**
 * The one switch from outcome to acknowledgement.
 *
 * A message that merely had to wait (`later`, {@link TransientError}) is set aside at the last delivery and left to
 * the resync: an outage of Postgres parks nothing. A message that failed any other way is delivered once more, and
 * that delivery parks its row without calling the handler.
 *
 * @param delivery how often the message was delivered, this time included (≥ 1).
 * @param random a number in [0, 1).
 */
export function outcomeToAck(result: HandlerResult, delivery: number, random: number): Ack {
  const last = delivery >= MAX_DELIVERIES;
  if (result.ok) {
    const outcome = result.outcome ?? { kind: 'done' };
    switch (outcome.kind) {
      case 'done':
        return { kind: 'ack' };
      case 'later':
        return last ? setAside(delivery, 'asked to wait') : { kind: 'nak', delayMs: Math.max(0, outcome.delayMs) };
      case 'drop':
        return { kind: 'term', reason: outcome.reason };
    }
  }
  const { error } = result;
  if (error instanceof UserError) return { kind: 'term', reason: errorText(error) };
  const wait = backoffMs(delivery, random, REDELIVERY_BACKOFF);
  if (error instanceof TransientError) {
    return last ? setAside(delivery, errorText(error)) : { kind: 'nak', delayMs: error.retryAfterMs ?? wait };
  }
  return { kind: 'nak', delayMs: wait };
}

function setAside(delivery: number, why: string): Ack {
  return { kind: 'term', reason: `left to the resync after ${delivery} deliveries: ${why}` };
}
