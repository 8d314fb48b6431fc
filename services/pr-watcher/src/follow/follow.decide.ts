import {
  backoffMs,
  isEnded,
  symptomOf,
  type CheckSummary,
  type Id,
  type PullRequestState,
  type ReviewSummary,
  type SymptomCode,
  type TaskIntent,
  type TaskState,
} from '@capstan/domain';
import type { AttentionJson, PullRequest } from '@capstan/database';
import type { ForgeCheck, ForgePullRequest, ForgeReview, PullRequestView } from '@capstan/forges';
import {
  checksMayStillCome,
  failedChecksDetail,
  summarizeChecks,
  summarizeReviews,
  type ReviewFacts,
} from './checks-summary.js';

/** What reading the pull request gave. `unavailable` may pass by itself, `unreadable` needs a person. */
export type ViewReading =
  | { readonly kind: 'read'; readonly view: PullRequestView }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfterMs: number | null };

/** One earlier wish to merge this head. */
export interface MergeAttempt {
  readonly state: 'requested' | 'claimed' | 'done' | 'refused';
  readonly parked: boolean;
  /** `stale`, or the symptom of the refusal. */
  readonly code: string | null;
  readonly words: string | null;
  readonly settledAt: Date | null;
}

export interface FollowSnapshot {
  /** The database's clock. */
  readonly now: Date;
  /** In [0, 1). */
  readonly random: number;
  readonly intervalMs: number;
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
  readonly reading: ViewReading;
}

/** The columns that following writes. */
export interface FollowPatch {
  readonly state: PullRequestState;
  readonly headSha: string | null;
  readonly headSeenAt: Date | null;
  readonly refusal: AttentionJson | null;
  readonly decision: string;
  readonly checks: CheckSummary;
  readonly reviews: ReviewSummary;
  readonly mergeable: string | null;
  readonly mergedAt: Date | null;
  readonly mergeCommit: string | null;
  readonly closedAt: Date | null;
  readonly closedBy: string | null;
  readonly attempts: number;
  readonly lastError: string | null;
}

export interface FollowPlan {
  readonly patch: FollowPatch;
  /** Null leaves the rows that are there. */
  readonly checkRows: readonly ForgeCheck[] | null;
  readonly reviewRows: readonly ForgeReview[] | null;
  /** Ask for the merge of this head; `attempt` makes it an effect of its own. */
  readonly merge: { readonly sha: string; readonly attempt: number } | null;
  readonly nextCheckMs: number;
}

/** While something is under way it is looked at again after this at the latest, ms. */
export const PENDING_CHECK_MS = 10_000;
/** The forge may show an old head for this long after a push, ms. */
export const PUSH_SETTLE_MS = 60_000;
/** Red is told to the agent once nothing is pending any more, or after this, ms. */
export const RED_SETTLE_MS = 600_000;
/** A merge that the forge refused is tried again after this, ms. */
export const MERGE_RETRY_MS = 600_000;
/** Pull requests that were closed, or whose task has ended, are looked at this seldom, ms. */
export const QUIET_CHECK_MS = 600_000;
const UNAVAILABLE_BACKOFF = { baseMs: 5_000, maxMs: 300_000 };
const FORGE_WORDS_MAX = 4_000;

/** What is to be done about an open pull request, as a sentence and perhaps a refusal or the merge. */
interface Judgement {
  readonly decision: string;
  readonly refusal?: AttentionJson;
  readonly merge?: true;
  /** Something is under way that ends by itself. */
  readonly pending?: true;
}

/** Level in, level out: the same world gives the same plan, however often and in whatever order it is looked at. */
export function decideFollow(snapshot: FollowSnapshot): FollowPlan {
  const { reading } = snapshot;
  switch (reading.kind) {
    case 'unavailable':
      return unavailable(snapshot, reading);
    case 'unreadable':
      return plan(snapshot, {
        patch: { checks: 'unknown', reviews: 'unknown', ...refused('pull_request_unreadable', reading.reason) },
      });
    case 'read':
      return decideView(snapshot, reading.view);
  }
}

function decideView(snapshot: FollowSnapshot, view: PullRequestView): FollowPlan {
  const remote = view.pullRequest;
  if (remote.merged) return merged(snapshot, remote);
  if (remote.state === 'closed') return closed(snapshot, remote);
  const head = headOf(snapshot, remote);
  const reviews = summarizeReviews(view, snapshot.rules.requiredApprovals);
  const judged = judge(
    { ...snapshot, pullRequest: { ...snapshot.pullRequest, ...head.patch } },
    view,
    head.settling,
    reviews,
  );
  const reopened = snapshot.pullRequest.state === 'closed';
  const { state } = snapshot.pullRequest;
  const stays = state === 'refused' || state === 'publishing';
  return plan(snapshot, {
    patch: {
      ...head.patch,
      state: stays ? state : 'open',
      ...(reopened ? { closedAt: null, closedBy: null } : {}),
      checks: summarizeChecks(view),
      reviews: reviews.summary,
      mergeable: mergeableWord(remote),
      decision: judged.decision,
      // What was not published stays so until another run is.
      refusal: stays ? snapshot.pullRequest.refusal : (judged.refusal ?? null),
    },
    checkRows: view.checks.known ? view.checks.value : [],
    reviewRows: view.reviews.known ? view.reviews.value : [],
    merge: judged.merge === true && !stays ? { sha: remote.headSha, attempt: snapshot.merges.length + 1 } : null,
    pending: judged.pending === true || judged.merge === true,
  });
}

/** The gates of a merge in the order in which a person would want to hear of them. */
function judge(snapshot: FollowSnapshot, view: PullRequestView, settling: boolean, reviews: ReviewFacts): Judgement {
  const remote = view.pullRequest;
  if (settling) return { decision: 'Waiting for the forge to show the push', pending: true };
  if (remote.headSha !== snapshot.pullRequest.pushedSha)
    return refused(
      'foreign_head',
      `The head is ${remote.headSha}; Capstan pushed ${snapshot.pullRequest.pushedSha ?? 'nothing'}.`,
    );
  const unreadable = [view.checks, view.missingRequired, view.reviews].flatMap((part) =>
    part.known ? [] : [part.reason],
  );
  if (unreadable.length > 0) return refused('pull_request_unreadable', [...new Set(unreadable)].join('; '));
  return (
    judgeReviews(reviews) ??
    judgeChecks(snapshot, view) ??
    judgeMergeability(snapshot, remote) ??
    judgeRules(snapshot, reviews) ??
    judgeEarlierMerges(snapshot) ?? { decision: 'Merging', merge: true }
  );
}

function judgeReviews({ refusals, awaited }: ReviewFacts): Judgement | null {
  if (refusals.length > 0) {
    const words = refusals.map(({ author, body }) => `${author}: ${body || 'no words'}`).join('\n\n');
    return refused('changes_requested', words.slice(0, FORGE_WORDS_MAX));
  }
  if (awaited.length > 0) return { decision: `Waiting for ${awaited.join(', ')} to look at the new commits` };
  return null;
}

function judgeChecks(snapshot: FollowSnapshot, view: PullRequestView): Judgement | null {
  if (!view.checks.known || !view.missingRequired.known)
    return refused('pull_request_unreadable', 'Checks can not be read.');
  const checks = view.checks.value;
  const missing = view.missingRequired.value;
  const pending = checks.filter(({ state }) => state === 'pending').map(({ name }) => name);
  const failed = checks.filter(({ state }) => state === 'failure');
  if (failed.length > 0) {
    if (pending.length > 0 && headAgeMs(snapshot) < RED_SETTLE_MS)
      return {
        decision: `${failed.map(({ name }) => name).join(', ')} failed; waiting for ${pending.join(', ')}`,
        pending: true,
      };
    return refused('ci_failed', failedChecksDetail(view.pullRequest.headSha, checks));
  }
  if (view.pullRequest.mergeable === false || view.pullRequest.mergeableState === 'dirty')
    return refused('merge_conflict', `The branch conflicts with ${view.pullRequest.baseRef}.`);
  if (pending.length > 0) return { decision: `Waiting for ${pending.join(', ')}`, pending: true };
  if (missing.length > 0) {
    // Some check reported: the others come late. None did in all this time: nobody started them.
    if (checks.length > 0 || checksMayStillCome(snapshot.now, snapshot.pullRequest.headSeenAt))
      return { decision: `Waiting for the required ${missing.join(', ')} to report`, pending: true };
    return refused(
      'no_checks',
      `No check ran on the head for 120 s; the branch's rules require ${missing.join(', ')}.`,
    );
  }
  if (checks.length > 0) return null;
  if (checksMayStillCome(snapshot.now, snapshot.pullRequest.headSeenAt))
    return { decision: 'Waiting for a check to report', pending: true };
  return snapshot.rules.mergeWithoutChecks ? null : refused('no_checks', symptomOf('no_checks').cause);
}

function judgeMergeability(snapshot: FollowSnapshot, remote: ForgePullRequest): Judgement | null {
  if (remote.draft || remote.mergeableState === 'draft') return { decision: 'Waiting: the pull request is a draft' };
  if (remote.mergeableState === 'behind')
    return refused(
      'merge_conflict',
      `The branch is behind ${remote.baseRef}, and the repository's rules want it up to date.`,
    );
  if (remote.mergeable !== true || remote.mergeableState === 'unknown')
    return { decision: 'Waiting for the forge to say whether it merges', pending: true };
  if (remote.mergeableState !== 'blocked') return null;
  if (checksMayStillCome(snapshot.now, snapshot.pullRequest.headSeenAt))
    return { decision: "Waiting: the repository's rules block the merge", pending: true };
  return refused('merge_refused', "The forge says that the merge is blocked by the repository's rules.");
}

function judgeRules(snapshot: FollowSnapshot, { approvals }: ReviewFacts): Judgement | null {
  const { rules, task } = snapshot;
  if (approvals < rules.requiredApprovals)
    return { decision: `Waiting for approval: ${approvals} of ${rules.requiredApprovals} for this head` };
  if (task.generation !== snapshot.pullRequest.generation)
    return { decision: 'The task was started anew on another branch' };
  if (task.intent !== null) return { decision: `Waiting: the task is to ${task.intent}`, pending: true };
  if (task.agentAtWork) return { decision: 'Waiting for the agent, who is at work on the branch' };
  if (task.state !== 'running' && task.state !== 'pr_opened' && task.state !== 'needs_attention')
    return { decision: `Not merged by Capstan: the task is ${task.state.replace('_', ' ')}` };
  if (!rules.autoMerge) return refused('awaiting_merge', 'Every check and review that is needed is there.');
  if (snapshot.workspacePaused) return { decision: 'Ready, but the workspace is paused' };
  return null;
}

function judgeEarlierMerges({ merges, now }: FollowSnapshot): Judgement | null {
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

function headOf(
  { pullRequest, now }: FollowSnapshot,
  { headSha }: ForgePullRequest,
): { readonly patch: Pick<FollowPatch, 'headSha' | 'headSeenAt'>; readonly settling: boolean } {
  const kept = { headSha: pullRequest.headSha, headSeenAt: pullRequest.headSeenAt };
  if (headSha === pullRequest.headSha)
    return { patch: { ...kept, headSeenAt: pullRequest.headSeenAt ?? now }, settling: false };
  const justPushed = pullRequest.pushedSha !== null && pullRequest.headSha === pullRequest.pushedSha;
  const age = now.getTime() - (pullRequest.headSeenAt?.getTime() ?? 0);
  if (justPushed && age < PUSH_SETTLE_MS) return { patch: kept, settling: true };
  return { patch: { headSha, headSeenAt: now }, settling: false };
}

function headAgeMs({ now, pullRequest }: FollowSnapshot): number {
  return pullRequest.headSeenAt === null ? 0 : now.getTime() - pullRequest.headSeenAt.getTime();
}

function merged(snapshot: FollowSnapshot, remote: ForgePullRequest): FollowPlan {
  return plan(snapshot, {
    patch: {
      state: 'merged',
      headSha: remote.headSha,
      mergedAt: snapshot.pullRequest.mergedAt ?? snapshot.now,
      mergeCommit: remote.mergeCommitSha,
      closedBy: remote.closedBy,
      refusal: null,
      decision: `Merged${remote.closedBy === null ? '' : ` by ${remote.closedBy}`}`,
    },
  });
}

function closed(snapshot: FollowSnapshot, remote: ForgePullRequest): FollowPlan {
  const by = remote.closedBy === null ? 'Somebody' : remote.closedBy;
  const decision = `Closed by ${by} without merging`;
  // Capstan closed the pull request of an earlier life itself: nobody has to do anything about it.
  const old = snapshot.task.generation !== snapshot.pullRequest.generation;
  return plan(snapshot, {
    patch: {
      state: 'closed',
      closedAt: snapshot.pullRequest.closedAt ?? snapshot.now,
      closedBy: remote.closedBy,
      ...(old ? { refusal: null, decision } : { ...refused('pull_request_closed', `${by} closed it.`), decision }),
    },
  });
}

/** Nothing is known, so nothing is changed: what was judged before stands, and it is asked again later. */
function unavailable(
  snapshot: FollowSnapshot,
  { reason, retryAfterMs }: Extract<ViewReading, { kind: 'unavailable' }>,
): FollowPlan {
  const attempts = snapshot.pullRequest.attempts + 1;
  const waitMs = Math.max(retryAfterMs ?? 0, backoffMs(attempts, snapshot.random, UNAVAILABLE_BACKOFF));
  const patch = {
    ...kept(snapshot.pullRequest),
    decision: `Waiting: the forge can not be asked: ${reason}`.slice(0, FORGE_WORDS_MAX),
    attempts,
    lastError: reason,
  };
  return { patch, checkRows: null, reviewRows: null, merge: null, nextCheckMs: waitMs };
}

function plan(
  snapshot: FollowSnapshot,
  wanted: Partial<Omit<FollowPlan, 'patch' | 'nextCheckMs'>> & {
    readonly patch: Partial<FollowPatch>;
    readonly pending?: boolean;
  },
): FollowPlan {
  const patch = { ...kept(snapshot.pullRequest), attempts: 0, lastError: null, ...wanted.patch };
  const { checkRows = null, reviewRows = null, merge = null } = wanted;
  return { patch, checkRows, reviewRows, merge, nextCheckMs: nextCheckMs(snapshot, patch, wanted.pending === true) };
}

/** Soon after a push, each 10 s while something is under way, else at the sweep's pace; ±10 % apart from each other. */
function nextCheckMs({ intervalMs, random, now, task }: FollowSnapshot, patch: FollowPatch, pending: boolean): number {
  const jitter = 0.9 + 0.2 * random;
  // Nothing is expected any more; a person may still merge or reopen it.
  if (patch.state === 'closed' || isEnded(task.state)) return Math.round(Math.max(intervalMs, QUIET_CHECK_MS) * jitter);
  if (!pending) return Math.round(intervalMs * jitter);
  const age = patch.headSeenAt === null ? 0 : now.getTime() - patch.headSeenAt.getTime();
  const soon = Math.min(PENDING_CHECK_MS, Math.max(1_000, age / 2));
  return Math.round(Math.min(soon, intervalMs) * jitter);
}

function kept(row: Readonly<PullRequest>): FollowPatch {
  return {
    state: row.state,
    headSha: row.headSha,
    headSeenAt: row.headSeenAt,
    refusal: row.refusal,
    decision: row.decision ?? '',
    checks: row.checks,
    reviews: row.reviews,
    mergeable: row.mergeable,
    mergedAt: row.mergedAt,
    mergeCommit: row.mergeCommit,
    closedAt: row.closedAt,
    closedBy: row.closedBy,
    attempts: row.attempts,
    lastError: row.lastError,
  };
}

function mergeableWord({ mergeable, mergeableState }: ForgePullRequest): string {
  return mergeable === null ? 'unknown' : mergeableState;
}

function refused(code: SymptomCode, detail: string): { readonly decision: string; readonly refusal: AttentionJson } {
  return { decision: symptomOf(code).title, refusal: { code, detail } };
}

/** For keys of effects: the first wish to merge a head has the plain key. */
export function mergeKey(pullRequestId: Id, sha: string, attempt: number): string {
  return `merge_pull_request:${pullRequestId}:${sha}${attempt > 1 ? `:${attempt}` : ''}`;
}
