import { isEnded, type PullRequestState, type TaskState } from '@capstan/domain';
import type { PullRequest } from '@capstan/database';
import type { ForgeReview, PullRequestView } from '@capstan/forges';

/** While something is under way it is looked at again after this at the latest, ms. */
const PENDING_CHECK_MS = 10_000;
/** Pull requests that were closed, or whose task has ended, are looked at this seldom, ms. */
const ENDED_CHECK_MS = 600_000;
/**
 * Quiet and told of: four glances of one request, then a whole look of six or seven, every 55 to 60 minutes. That is
 * twelve requests an hour at most, and whatever the hook and the glances miss is found within the hour. ms
 */
const SLOW_CHECK_MS = 660_000;
const SLOW_SPREAD_MS = 50_000;
const WHOLE_LOOK_MS = 5 * SLOW_CHECK_MS;
/** What the forge told of, it may show only a moment later; and its clock may count in seconds. ms */
const SETTLE_MS = 60_000;
/** A delivery may be that much earlier or later than the look that sees the same, ms. */
const TOLD_WITHIN_MS = 60_000;
/** A weekend without a word is usual. Longer silence says nothing about whether the hook still lives. ms */
const SILENT_MS = 72 * 3_600_000;

/** What is known of the way on which a forge tells of a repository. */
export interface HookSight {
  /** When a verified delivery of the repository last arrived. */
  readonly lastDeliveryAt: Date | null;
  /** When a look at any of its pull requests last found a change that no delivery had told of. */
  readonly missedAt: Date | null;
}

/** When the next look is due, and whether a glance may do then. */
export interface Pace {
  readonly nextCheckMs: number;
  readonly glance: boolean;
}

type Heard = Pick<PullRequest, 'toldAt' | 'untoldAt'>;

/**
 * Whether the forge is known to tell of this pull request. It is, once a delivery was about it: its own opening is told
 * by every hook that there is, so that nobody has to say that one was set up. That ends
 * - when a look finds a change of it that no delivery told of (the hook died, or isn't subscribed to such events), until
 *   a delivery is about it again;
 * - when that happens to any other pull request of the repository, until the repository's next delivery: one late
 *   discovery is enough for all;
 * - after three days without any delivery of the repository: there, nothing has shown for long that the hook lives.
 */
export function hookTells(now: Date, { toldAt, untoldAt }: Heard, { lastDeliveryAt, missedAt }: HookSight): boolean {
  if (toldAt === null || lastDeliveryAt === null) return false;
  if (untoldAt !== null && untoldAt >= toldAt) return false;
  if (since(now, lastDeliveryAt) > SILENT_MS) return false;
  // A look that was faster than the delivery of the same change isn't a miss.
  return missedAt === null || missedAt.getTime() - lastDeliveryAt.getTime() <= TOLD_WITHIN_MS;
}

/** Whether one request may stand for a planned look at a quiet pull request. */
export function mayGlance(now: Date, row: Heard & Pick<PullRequest, 'lookedAt'>, hook: HookSight): boolean {
  return row.lookedAt !== null && since(now, row.lookedAt) < WHOLE_LOOK_MS && hookTells(now, row, hook);
}

export interface PaceSight {
  readonly now: Date;
  /** In [0, 1). */
  readonly random: number;
  readonly intervalMs: number;
  readonly taskState: TaskState;
  /** As it is written now. */
  readonly row: Heard & {
    readonly state: PullRequestState;
    readonly headSeenAt: Date | null;
    readonly seenUpdatedAt: Date | null;
  };
  readonly hook: HookSight;
}

/**
 * Soon after a push, each 10 s while something is under way, else at the sweep's pace; ±10 % apart from each other. Where
 * only the forge can change anything and is known to tell of it, seldom.
 */
export function paceOf(sight: PaceSight, outlook: 'pending' | 'quiet' | 'other'): Pace {
  const { intervalMs, random, now, row, taskState } = sight;
  const jitter = 0.9 + 0.2 * random;
  const every = (ms: number): Pace => ({ nextCheckMs: Math.round(ms * jitter), glance: false });
  if (outlook === 'quiet' && isSettled(sight) && hookTells(now, row, sight.hook)) return slowPace(intervalMs, random);
  // Nothing is expected any more; a person may still merge or reopen it.
  if (row.state === 'closed' || isEnded(taskState)) return every(Math.max(intervalMs, ENDED_CHECK_MS));
  if (outlook !== 'pending') return every(intervalMs);
  const age = row.headSeenAt === null ? 0 : since(now, row.headSeenAt);
  return every(Math.min(PENDING_CHECK_MS, Math.max(1_000, age / 2), intervalMs));
}

export function slowPace(intervalMs: number, random: number): Pace {
  return { nextCheckMs: Math.max(intervalMs, Math.round(SLOW_CHECK_MS + random * SLOW_SPREAD_MS)), glance: true };
}

/** Nothing has happened for a minute: what was read then was no late answer. */
function isSettled({ now, row }: PaceSight): boolean {
  const events = [row.toldAt, row.untoldAt, row.headSeenAt, row.seenUpdatedAt];
  return events.every((at) => at === null || since(now, at) >= SETTLE_MS);
}

/** What the rows hold of the whole look before this one. */
export interface SeenBefore {
  readonly checks: readonly { readonly source: string; readonly name: string; readonly state: string }[];
  readonly reviews: readonly Pick<ForgeReview, 'author' | 'state' | 'commitSha' | 'submittedAt'>[];
}

/** Whether this look shows what the last one did not, and no delivery was about it since that one began. */
export function changedUntold(row: Readonly<PullRequest>, before: SeenBefore, view: PullRequestView): boolean {
  if (row.lookedAt === null || (row.toldAt !== null && row.toldAt >= row.lookedAt)) return false;
  const { pullRequest, checks, reviews } = view;
  if (pullRequest.merged || (pullRequest.state === 'closed') !== (row.state === 'closed')) return true;
  // Of a closed one nothing else is kept.
  if (pullRequest.state === 'closed') return false;
  if (pullRequest.headSha !== row.headSha) return true;
  // What could not be read was not seen, and is no change.
  return (
    (checks.known && row.checks !== 'unknown' && differ(checks.value.map(checkWord), before.checks.map(checkWord))) ||
    (reviews.known &&
      row.reviews !== 'unknown' &&
      differ(reviews.value.filter(isDated).map(reviewWord), before.reviews.map(reviewWord)))
  );
}

function checkWord({ source, name, state }: SeenBefore['checks'][number]): string {
  return JSON.stringify([source, name, state]);
}

/** A review without a time is not kept. */
function isDated({ submittedAt }: ForgeReview): boolean {
  return !Number.isNaN(Date.parse(submittedAt));
}

function reviewWord({ author, state, commitSha, submittedAt }: SeenBefore['reviews'][number]): string {
  return JSON.stringify([author, state, commitSha, Date.parse(submittedAt)]);
}

function differ(some: readonly string[], others: readonly string[]): boolean {
  return [...some].sort().join('\n') !== [...others].sort().join('\n');
}

function since(now: Date, then: Date): number {
  return now.getTime() - then.getTime();
}
