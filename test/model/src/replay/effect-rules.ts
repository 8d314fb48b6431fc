import { EFFECT_DEADLINE_MS, type EffectState } from '@capstan/domain';
import type { Present } from './present.js';
import type { Change, EffectColumns } from './trace.js';

/** What is wrong with an effect that comes into being; null when nothing is. */
export function newEffect(effect: EffectColumns, present: Present): string | null {
  if (effect.state !== 'requested' || effect.claim_epoch !== 0) return 'an effect begins otherwise than requested';
  return present.effectKeys.has(effect.key) ? `a second effect has the key ${effect.key}` : null;
}

const STEPS: Readonly<Record<EffectState, readonly EffectState[]>> = {
  requested: ['claimed'],
  claimed: ['claimed', 'requested', 'done', 'refused'],
  done: [],
  refused: [],
};

/** What is wrong with one change of an effect; null when nothing is. */
export function changedEffect({ old, now, at }: Change<'effect'>): string | null {
  if (now.key !== old.key || now.kind !== old.kind) return 'it became another effect';
  // A person may drop what is parked.
  const dropped = old.parked_at !== null && old.state === 'requested' && now.state === 'refused';
  if (now.state !== old.state && !dropped && !STEPS[old.state].includes(now.state))
    return `${old.state} → ${now.state} is no step of an effect`;
  return epochs(old, now, at);
}

/** A claim raises the epoch, and so does parking what nobody reports of; nothing else does. */
function epochs(old: EffectColumns, now: EffectColumns, at: string): string | null {
  const raised = now.claim_epoch - old.claim_epoch;
  if (raised !== 0 && raised !== 1) return `its claim epoch goes from ${old.claim_epoch} to ${now.claim_epoch}`;
  const lapsed = old.deadline_at !== null && Date.parse(at) >= Date.parse(old.deadline_at) + EFFECT_DEADLINE_MS;
  if (now.state === 'claimed') {
    if (raised === 0)
      return old.state === 'claimed' && now.deadline_at === old.deadline_at
        ? null
        : 'it was claimed under the epoch from before';
    return old.state === 'claimed' && !lapsed ? 'its claim was taken over before it had lapsed for a deadline' : null;
  }
  if (raised === 0) return null;
  const parked = now.state === 'requested' && now.parked_at !== null && old.parked_at === null;
  if (!parked) return `its claim epoch was raised to ${now.claim_epoch} without a claim`;
  return old.state === 'claimed' && !lapsed ? 'it was parked while its claim stood' : null;
}
