import { EFFECT_TIMEOUT_MS, MAX_EFFECT_ATTEMPTS, type EffectState } from './effect.js';

/** What decides whether an effect may be claimed, as its row says at one moment. */
export interface ClaimSight {
  readonly state: EffectState;
  readonly parked: boolean;
  /** Tries so far. */
  readonly attempts: number;
  /** Its workspace is paused: nothing leaves. */
  readonly paused: boolean;
  /** `not_before` is still ahead: a try failed, and its request may still be on the way. */
  readonly resting: boolean;
  /** One deadline has passed since the claim's own: no request of its holder can arrive any more. */
  readonly lapsed: boolean;
}

/**
 * Whether an executor may claim the effect. This is the rule that the statement of `claimEffects` carries out under a
 * row lock; a spec runs both over the same rows, and the model in test/model explores this one.
 */
export function mayClaim(effect: ClaimSight): boolean {
  if (effect.parked || effect.paused || effect.attempts >= MAX_EFFECT_ATTEMPTS) return false;
  return effect.state === 'requested' ? !effect.resting : effect.state === 'claimed' && effect.lapsed;
}

/** Whether what a claim's holder records is taken: nobody has claimed the effect since, and it isn't settled. */
export function claimHolds(
  effect: { readonly state: EffectState; readonly claimEpoch: number },
  { claimEpoch }: { readonly claimEpoch: number },
): boolean {
  return effect.state === 'claimed' && effect.claimEpoch === claimEpoch;
}

/**
 * Whether a request may still leave under a claim: it must be over before the claim's deadline, even if it takes the
 * whole of its time. Both in ms of the holder's monotonic clock.
 */
export function mayLeave({ now, deadline }: { readonly now: number; readonly deadline: number }): boolean {
  return now + EFFECT_TIMEOUT_MS <= deadline;
}
