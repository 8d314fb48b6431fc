import { symptomOf, type SymptomCode, type TaskIntent, type TaskState } from '@capstan/domain';
import type { AttentionJson, PullRequest } from '@capstan/database';
import type { ForgePullRequest, PullRequestView } from '@capstan/forges';
import { checksMayStillCome, failedChecksDetail, type ReviewFacts } from './checks-summary.js';

/** One earlier wish to merge this head. */
export interface MergeAttempt {
  readonly state: 'requested' | 'claimed' | 'done' | 'refused';
  readonly parked: boolean;
  /** `stale`, or the symptom of the refusal. */
  readonly code: string | null;
  readonly words: string | null;
  readonly settledAt: Date | null;
}

/** What the gates of a merge go by, besides what the forge shows. */
export interface GateSight {
  /** The database's clock. */
  readonly now: Date;
  readonly pullRequest: Readonly<PullRequest>;
  readonly task: {
    readonly state: TaskState;
    readonly intent: TaskIntent | null;
    readonly generation: number;
    /** A run of it is not finished. */
    readonly agentAtWork: boolean;
  };
  readonly rules: {
    readonly autoMerge: boolean;
    readonly mergeWithoutChecks: boolean;
    readonly requiredApprovals: number;
  };
  readonly workspacePaused: boolean;
  /** Of the head that was read, oldest first. */
  readonly merges: readonly MergeAttempt[];
}

/** Red is told to the agent once nothing is pending any more, or after this, ms. */
const RED_SETTLE_MS = 600_000;
/** A merge that the forge refused is tried again after this, ms. */
export const MERGE_RETRY_MS = 600_000;
/** Of the forge's own words at most, characters. */
export const FORGE_WORDS_MAX = 4_000;

/** What is to be done about an open pull request, as a sentence and perhaps a refusal or the merge. */
export interface Judgement {
  readonly decision: string;
  readonly refusal?: AttentionJson;
  readonly merge?: true;
  /** Something is under way that ends by itself. */
  readonly pending?: true;
  /** Nothing but an act at the forge, or a change of settings, which wakes, can make it another one. */
  readonly quiet?: true;
}

/** The gates of a merge in the order in which a person would want to hear of them. */
export function judge(sight: GateSight, view: PullRequestView, settling: boolean, reviews: ReviewFacts): Judgement {
  const remote = view.pullRequest;
  if (settling) return { decision: 'Waiting for the forge to show the push', pending: true };
  if (remote.headSha !== sight.pullRequest.pushedSha)
    return quiet(
      refused(
        'foreign_head',
        `The head is ${remote.headSha}; Capstan pushed ${sight.pullRequest.pushedSha ?? 'nothing'}.`,
      ),
    );
  const unreadable = [view.checks, view.missingRequired, view.reviews].flatMap((part) =>
    part.known ? [] : [part.reason],
  );
  if (unreadable.length > 0) return refused('pull_request_unreadable', [...new Set(unreadable)].join('; '));
  return (
    judgeReviews(reviews) ??
    judgeChecks(sight, view) ??
    judgeMergeability(sight, remote) ??
    judgeRules(sight, reviews) ??
    judgeEarlierMerges(sight) ?? { decision: 'Merging', merge: true }
  );
}

function judgeReviews({ refusals, awaited }: ReviewFacts): Judgement | null {
  if (refusals.length > 0) {
    const words = refusals.map(({ author, body }) => `${author}: ${body || 'no words'}`).join('\n\n');
    return quiet(refused('changes_requested', words.slice(0, FORGE_WORDS_MAX)));
  }
  if (awaited.length > 0) return quiet({ decision: `Waiting for ${awaited.join(', ')} to look at the new commits` });
  return null;
}

function judgeChecks(sight: GateSight, view: PullRequestView): Judgement | null {
  if (!view.checks.known || !view.missingRequired.known)
    return refused('pull_request_unreadable', 'Checks can not be read.');
  const checks = view.checks.value;
  const missing = view.missingRequired.value;
  const pending = checks.filter(({ state }) => state === 'pending').map(({ name }) => name);
  const failed = checks.filter(({ state }) => state === 'failure');
  if (failed.length > 0) {
    if (pending.length > 0 && headAgeMs(sight) < RED_SETTLE_MS)
      return {
        decision: `${failed.map(({ name }) => name).join(', ')} failed; waiting for ${pending.join(', ')}`,
        pending: true,
      };
    return quiet(refused('ci_failed', failedChecksDetail(view.pullRequest.headSha, checks)));
  }
  if (view.pullRequest.mergeable === false || view.pullRequest.mergeableState === 'dirty')
    return quiet(refused('merge_conflict', `The branch conflicts with ${view.pullRequest.baseRef}.`));
  if (pending.length > 0) return { decision: `Waiting for ${pending.join(', ')}`, pending: true };
  if (missing.length > 0) {
    // Some check reported: the others come late. None did in all this time: nobody started them.
    if (checks.length > 0 || checksMayStillCome(sight.now, sight.pullRequest.headSeenAt))
      return { decision: `Waiting for the required ${missing.join(', ')} to report`, pending: true };
    return quiet(
      refused('no_checks', `No check ran on the head for 120 s; the branch's rules require ${missing.join(', ')}.`),
    );
  }
  if (checks.length > 0) return null;
  if (checksMayStillCome(sight.now, sight.pullRequest.headSeenAt))
    return { decision: 'Waiting for a check to report', pending: true };
  return sight.rules.mergeWithoutChecks ? null : quiet(refused('no_checks', symptomOf('no_checks').cause));
}

function judgeMergeability(sight: GateSight, remote: ForgePullRequest): Judgement | null {
  if (remote.draft || remote.mergeableState === 'draft')
    return quiet({ decision: 'Waiting: the pull request is a draft' });
  if (remote.mergeableState === 'behind')
    return quiet(
      refused(
        'merge_conflict',
        `The branch is behind ${remote.baseRef}, and the repository's rules want it up to date.`,
      ),
    );
  if (remote.mergeable !== true || remote.mergeableState === 'unknown')
    return { decision: 'Waiting for the forge to say whether it merges', pending: true };
  if (remote.mergeableState !== 'blocked') return null;
  if (checksMayStillCome(sight.now, sight.pullRequest.headSeenAt))
    return { decision: "Waiting: the repository's rules block the merge", pending: true };
  return quiet(refused('merge_refused', "The forge says that the merge is blocked by the repository's rules."));
}

function judgeRules(sight: GateSight, { approvals }: ReviewFacts): Judgement | null {
  const { rules, task } = sight;
  if (approvals < rules.requiredApprovals)
    return quiet({ decision: `Waiting for approval: ${approvals} of ${rules.requiredApprovals} for this head` });
  if (task.generation !== sight.pullRequest.generation)
    return { decision: 'The task was started anew on another branch' };
  if (task.intent !== null) return { decision: `Waiting: the task is to ${task.intent}`, pending: true };
  if (task.agentAtWork) return { decision: 'Waiting for the agent, who is at work on the branch' };
  if (task.state !== 'running' && task.state !== 'pr_opened' && task.state !== 'needs_attention')
    return { decision: `Not merged by Capstan: the task is ${task.state.replace('_', ' ')}` };
  if (!rules.autoMerge) return quiet(refused('awaiting_merge', 'Every check and review that is needed is there.'));
  if (sight.workspacePaused) return { decision: 'Ready, but the workspace is paused' };
  return null;
}

function judgeEarlierMerges({ merges, now }: GateSight): Judgement | null {
  const last = merges.at(-1);
  if (last === undefined) return null;
  if (last.parked) return refused('effect_parked', last.words ?? 'The merge failed more often than is tried.');
  if (last.state === 'requested' || last.state === 'claimed') return { decision: 'Merging', pending: true };
  // Done, but the forge does not show it yet: the next look will.
  if (last.state === 'done') return { decision: 'Merged; waiting for the forge to show it', pending: true };
  if (last.code === 'dropped') return refused('dropped', last.words ?? 'A person dropped the merge.');
  if (last.code === 'stale') return null;
  const age = last.settledAt === null ? 0 : now.getTime() - last.settledAt.getTime();
  if (age >= MERGE_RETRY_MS) return null;
  return refused('merge_refused', last.words ?? 'The forge gave no reason.');
}

function headAgeMs({ now, pullRequest }: GateSight): number {
  return pullRequest.headSeenAt === null ? 0 : now.getTime() - pullRequest.headSeenAt.getTime();
}

function quiet(judgement: Judgement): Judgement {
  return { ...judgement, quiet: true };
}

export function refused(
  code: SymptomCode,
  detail: string,
): { readonly decision: string; readonly refusal: AttentionJson } {
  return { decision: symptomOf(code).title, refusal: { code, detail } };
}
