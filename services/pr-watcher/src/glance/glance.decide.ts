import type { PullRequest } from '@capstan/database';
import type { ForgePullRequest } from '@capstan/forges';
import { mergeableWord } from '../follow/checks-summary.js';
import { slowPace, type Pace } from '../follow/pace.decide.js';

export interface GlanceSnapshot {
  /** In [0, 1). */
  readonly random: number;
  readonly intervalMs: number;
  readonly pullRequest: Readonly<PullRequest>;
  /** Null: the forge could not be asked, or refused. */
  readonly remote: ForgePullRequest | null;
}

/**
 * The pace to go on at where the forge shows what the last whole look saw, else null: a whole look is wanted. Checks
 * don't show in a glance; the hook tells of them, and the next whole look finds them anyway.
 */
export function decideGlance({ random, intervalMs, pullRequest, remote }: GlanceSnapshot): Pace | null {
  return remote !== null && isAsSeen(pullRequest, remote) ? slowPace(intervalMs, random) : null;
}

function isAsSeen(row: Readonly<PullRequest>, remote: ForgePullRequest): boolean {
  if (remote.merged || (remote.state === 'closed') !== (row.state === 'closed')) return false;
  if (Date.parse(remote.updatedAt) !== row.seenUpdatedAt?.getTime()) return false;
  // A base that moved changes mergeability alone. Of a closed one neither is kept.
  return remote.state === 'closed' || (remote.headSha === row.headSha && mergeableWord(remote) === row.mergeable);
}
