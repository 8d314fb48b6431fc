import type { AttentionJson } from '@capstan/database';
import type { EffectSight, PublishSnapshot } from './publish.snapshot.js';

/**
 * The next step of publishing. `ignore`: the work is not to be published (any more) · `adopt`: the row becomes this
 * run's · `prepare`: fetch and check the commits, then ask for the push · `wait`: an effect is on its way ·
 * `open`: the branch is pushed and wants its pull request · `refuse`: a person has to see it.
 */
export type PublishStep =
  | { readonly kind: 'ignore'; readonly reason: string }
  | { readonly kind: 'adopt' }
  | { readonly kind: 'prepare' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'open' }
  | { readonly kind: 'refuse'; readonly refusal: AttentionJson };

export function decidePublish(snapshot: PublishSnapshot): PublishStep {
  const unwanted = whyNot(snapshot);
  if (unwanted !== null) return { kind: 'ignore', reason: unwanted };
  const { pullRequest, run, push, open } = snapshot;
  if (pullRequest === null || pullRequest.runId !== run.id) return { kind: 'adopt' };
  if (pullRequest.state !== 'publishing') return { kind: 'ignore', reason: 'it is published or refused already' };
  if (push === null) return { kind: 'prepare' };
  if (push.parked) return parked('push the branch', push);
  // What a settled push came to is written with it; only the pull request may still be missing.
  if (push.state !== 'done') return { kind: 'wait' };
  if (open === null) return { kind: 'open' };
  return open.parked ? parked('open the pull request', open) : { kind: 'wait' };
}

/** Whether the run's work may be published at all, asked again immediately before the push. Null when it may. */
export function whyNot({
  run,
  task,
  pullRequest,
}: Pick<PublishSnapshot, 'run' | 'task' | 'pullRequest'>): string | null {
  if (run.fenced) return 'the run was fenced';
  if (run.outcome?.kind !== 'commits') return 'the run left no commits';
  if (!run.latest || run.generation !== task.generation) return 'a later run took its place';
  if (task.kind !== 'change') return `a ${task.kind} has no pull request`;
  if (task.intent !== null) return `the task is to ${task.intent}`;
  // Only a person's replay of what was parked makes a row of a halted task publish again.
  const replayed =
    task.state === 'needs_attention' && pullRequest?.state === 'publishing' && pullRequest.runId === run.id;
  if (task.state !== 'provisioning' && task.state !== 'running' && !replayed) return `the task is ${task.state}`;
  if (pullRequest?.state === 'merged') return 'the pull request is merged';
  return null;
}

function parked(doing: string, { lastError }: EffectSight): PublishStep {
  return {
    kind: 'refuse',
    refusal: { code: 'effect_parked', detail: `Could not ${doing}: ${lastError ?? 'no reason is known'}` },
  };
}
