import {
  backoffMs,
  isEnded,
  type CheckSummary,
  type Id,
  type PullRequestState,
  type ReviewSummary,
} from '@capstan/domain';
import type { AttentionJson, PullRequest } from '@capstan/database';
import type { ForgeCheck, ForgePullRequest, ForgeReview, PullRequestView } from '@capstan/forges';
import { mergeableWord, summarizeChecks, summarizeReviews } from './checks-summary.js';
import { FORGE_WORDS_MAX, judge, refused, type GateSight, type Judgement } from './gates.decide.js';
import { changedUntold, paceOf, type HookSight, type Pace, type SeenBefore } from './pace.decide.js';

/** What reading the pull request gave. `unavailable` may pass by itself, `unreadable` needs a person. */
export type ViewReading =
  | { readonly kind: 'read'; readonly view: PullRequestView }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfterMs: number | null };

export interface FollowSnapshot extends GateSight {
  /** By the database's clock, before anything was read. */
  readonly beganAt: Date;
  /** In [0, 1). */
  readonly random: number;
  readonly intervalMs: number;
  readonly before: SeenBefore;
  readonly hook: HookSight;
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
  readonly lookedAt: Date | null;
  readonly seenUpdatedAt: Date | null;
  readonly untoldAt: Date | null;
}

export interface FollowPlan extends Pace {
  readonly patch: FollowPatch;
  /** Null leaves the rows that are there. */
  readonly checkRows: readonly ForgeCheck[] | null;
  readonly reviewRows: readonly ForgeReview[] | null;
  /** Ask for the merge of this head; `attempt` makes it an effect of its own. */
  readonly merge: { readonly sha: string; readonly attempt: number } | null;
}

/** The forge may show an old head for this long after a push, ms. */
export const PUSH_SETTLE_MS = 60_000;
const UNAVAILABLE_BACKOFF = { baseMs: 5_000, maxMs: 300_000 };

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
  if (remote.merged) return merged(snapshot, view);
  if (remote.state === 'closed') return closed(snapshot, view);
  const head = headOf(snapshot, remote);
  const seen = head.settling ? {} : sightPatch(snapshot, view);
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
      ...seen,
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
    outlook: state === 'publishing' ? 'other' : outlookOf(snapshot, view, judged),
  });
}

/** Quiet is what only an act at the forge can change. An ended task expects nothing of its pull request any more. */
function outlookOf({ task }: FollowSnapshot, view: PullRequestView, { pending, merge, quiet }: Judgement): Outlook {
  if (pending === true || merge === true) return 'pending';
  return (quiet === true || isEnded(task.state)) && isStill(view) ? 'quiet' : 'other';
}

/** Everything can be read, and nothing of it is still being found out. */
function isStill({ pullRequest, checks, reviews, missingRequired }: PullRequestView): boolean {
  if (!checks.known || !reviews.known || !missingRequired.known) return false;
  return pullRequest.mergeable !== null && checks.value.every(({ state }) => state !== 'pending');
}

/** What a whole look leaves for the next one to be compared with. */
function sightPatch(
  { now, beganAt, pullRequest, before }: FollowSnapshot,
  view: PullRequestView,
): Pick<FollowPatch, 'lookedAt' | 'seenUpdatedAt' | 'untoldAt'> {
  return {
    lookedAt: beganAt,
    seenUpdatedAt: new Date(view.pullRequest.updatedAt),
    untoldAt: changedUntold(pullRequest, before, view) ? now : pullRequest.untoldAt,
  };
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

function merged(snapshot: FollowSnapshot, view: PullRequestView): FollowPlan {
  const remote = view.pullRequest;
  return plan(snapshot, {
    patch: {
      ...sightPatch(snapshot, view),
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

function closed(snapshot: FollowSnapshot, view: PullRequestView): FollowPlan {
  const remote = view.pullRequest;
  const by = remote.closedBy === null ? 'Somebody' : remote.closedBy;
  const decision = `Closed by ${by} without merging`;
  // Capstan closed the pull request of an earlier life itself: nobody has to do anything about it.
  const old = snapshot.task.generation !== snapshot.pullRequest.generation;
  return plan(snapshot, {
    outlook: 'quiet',
    patch: {
      ...sightPatch(snapshot, view),
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
  return { patch, checkRows: null, reviewRows: null, merge: null, nextCheckMs: waitMs, glance: false };
}

type Outlook = Parameters<typeof paceOf>[1];

function plan(
  snapshot: FollowSnapshot,
  wanted: Partial<Omit<FollowPlan, 'patch' | keyof Pace>> & {
    readonly patch: Partial<FollowPatch>;
    readonly outlook?: Outlook;
  },
): FollowPlan {
  const { pullRequest, task } = snapshot;
  const patch = { ...kept(pullRequest), attempts: 0, lastError: null, ...wanted.patch };
  const { checkRows = null, reviewRows = null, merge = null, outlook = 'other' } = wanted;
  const row = { ...patch, toldAt: pullRequest.toldAt };
  return { patch, checkRows, reviewRows, merge, ...paceOf({ ...snapshot, taskState: task.state, row }, outlook) };
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
    lookedAt: row.lookedAt,
    seenUpdatedAt: row.seenUpdatedAt,
    untoldAt: row.untoldAt,
  };
}

/** For keys of effects: the first wish to merge a head has the plain key. */
export function mergeKey(pullRequestId: Id, sha: string, attempt: number): string {
  return `merge_pull_request:${pullRequestId}:${sha}${attempt > 1 ? `:${attempt}` : ''}`;
}
