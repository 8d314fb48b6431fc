import {
  Check,
  Review,
  requestEffect,
  rowError,
  tellParked,
  type Database,
  type PullRequest,
  type Tx,
} from '@capstan/database';
import { pullRequestChanged } from '@capstan/events';
import { mergeKey, type FollowPlan, type FollowSnapshot } from './follow.decide.js';
import { releaseClaim, type Claim } from './follow.snapshot.js';

/**
 * Writes a plan under its claim, with the merge that it wants and the event, in one transaction. `stale`: the claim
 * lapsed or the row was published anew meanwhile, and nothing was written.
 */
export async function applyFollow(
  database: Database,
  claim: Claim,
  { pullRequest }: FollowSnapshot,
  plan: FollowPlan,
): Promise<'applied' | 'stale'> {
  return database.commit('follow', async (tx) => {
    const row = await writeRow(tx, claim, pullRequest, plan);
    if (row === undefined) {
      await releaseClaim(tx, claim);
      return 'stale';
    }
    if (plan.checkRows !== null) await replaceChecks(tx, row, plan);
    if (plan.reviewRows !== null) await replaceReviews(tx, row, plan);
    if (plan.merge !== null)
      await requestEffect(tx, {
        workspaceId: row.workspaceId,
        taskId: row.taskId,
        runId: row.runId,
        epoch: 0,
        kind: 'merge_pull_request',
        key: mergeKey(row.id, plan.merge.sha, plan.merge.attempt),
        arguments: { pullRequestId: row.id, sha: plan.merge.sha },
        traceparent: null,
      });
    await tx.emit(pullRequestChanged, changedEvent(row));
    return 'applied';
  });
}

/** Gives a claim back after a failure; nobody waits for it to lapse. */
export async function failFollow(
  database: Database,
  claim: Claim,
  failure: { readonly error: unknown; readonly delayMs: number; readonly maxAttempts: number },
): Promise<void> {
  const { text, code } = rowError(failure.error);
  await database.transaction(async (tx) => {
    const [row] = await tx.query<PullRequest>(
      `update pull_request set claimed_until = null, attempts = attempts + 1, last_error = $3, last_error_code = $6,
              next_check_at = clock_timestamp() + $4 * interval '1 ms', version = version + 1,
              parked_at = case when attempts + 1 >= $5 then clock_timestamp() end
        where id = $1 and claimed_until = $2::timestamptz returning *`,
      [claim.id, claim.until, text, failure.delayMs, failure.maxAttempts, code],
    );
    if (row !== undefined && row.parkedAt !== null) await tellParked(tx, 'pull_request', row);
  });
}

export function changedEvent(row: PullRequest) {
  return {
    workspaceId: row.workspaceId,
    taskId: row.taskId,
    pullRequestId: row.id,
    repositoryId: row.repositoryId,
    state: row.state,
    version: row.version,
  };
}

/**
 * Assignments that end a look: who asked for another one meanwhile gets it at once, as a whole one.
 * @param checkMs and `glance` are parameters of the statement: a Pace.
 */
export function endOfLook(checkMs: string, glance: string): string {
  // One time for both columns, which are equal where nobody has asked since.
  const planned = `statement_timestamp() + ${checkMs} * interval '1 ms'`;
  const asked = 'next_check_at <= clock_timestamp()';
  return `last_checked_at = clock_timestamp(), claimed_until = null,
          next_check_at = case when ${asked} then clock_timestamp() else ${planned} end,
          glance_at = case when ${glance} and not ${asked} then ${planned} end`;
}

async function writeRow(
  tx: Tx,
  claim: Claim,
  before: Readonly<PullRequest>,
  { patch, nextCheckMs, glance }: FollowPlan,
): Promise<PullRequest | undefined> {
  const [row] = await tx.query<PullRequest>(
    `update pull_request set state = $3, head_sha = $4, head_seen_at = $5, refusal = $6, decision = $7, checks = $8,
            reviews = $9, mergeable = $10, merged_at = $11, merge_commit = $12, closed_at = $13, closed_by = $14,
            attempts = $15, last_error = $16, ${endOfLook('$17', '$18')}, looked_at = $19, seen_updated_at = $20,
            untold_at = $21, version = version + 1
      where id = $1 and claimed_until = $2::timestamptz and version = $22
      returning *`,
    [
      claim.id,
      claim.until,
      patch.state,
      patch.headSha,
      patch.headSeenAt,
      patch.refusal === null ? null : JSON.stringify(patch.refusal),
      patch.decision,
      patch.checks,
      patch.reviews,
      patch.mergeable,
      patch.mergedAt,
      patch.mergeCommit,
      patch.closedAt,
      patch.closedBy,
      patch.attempts,
      patch.lastError,
      nextCheckMs,
      glance,
      patch.lookedAt,
      patch.seenUpdatedAt,
      patch.untoldAt,
      before.version,
    ],
  );
  return row;
}

async function replaceChecks(tx: Tx, row: PullRequest, plan: FollowPlan): Promise<void> {
  await tx.query('delete from "check" where pull_request_id = $1', [row.id]);
  const rows = (plan.checkRows ?? []).map((check) => ({
    workspaceId: row.workspaceId,
    pullRequestId: row.id,
    ...check,
    headSha: row.headSha ?? '',
  }));
  if (rows.length > 0) await tx.insert(Check, rows);
}

async function replaceReviews(tx: Tx, row: PullRequest, plan: FollowPlan): Promise<void> {
  await tx.query('delete from review where pull_request_id = $1', [row.id]);
  const rows = (plan.reviewRows ?? [])
    .filter(({ submittedAt }) => !Number.isNaN(Date.parse(submittedAt)))
    .map(({ author, state, body, commitSha, submittedAt }) => ({
      workspaceId: row.workspaceId,
      pullRequestId: row.id,
      author,
      state,
      body,
      commitSha,
      submittedAt: new Date(submittedAt),
    }));
  if (rows.length > 0) await tx.insert(Review, rows);
}
