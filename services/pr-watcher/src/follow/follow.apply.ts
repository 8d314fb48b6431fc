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
import type { Claim } from './follow.snapshot.js';

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

async function writeRow(
  tx: Tx,
  claim: Claim,
  before: Readonly<PullRequest>,
  { patch, nextCheckMs }: FollowPlan,
): Promise<PullRequest | undefined> {
  const [row] = await tx.query<PullRequest>(
    `update pull_request set state = $3, head_sha = $4, head_seen_at = $5, refusal = $6, decision = $7, checks = $8,
            reviews = $9, mergeable = $10, merged_at = $11, merge_commit = $12, closed_at = $13, closed_by = $14,
            attempts = $15, last_error = $16, last_checked_at = clock_timestamp(),
            next_check_at = case when next_check_at <= clock_timestamp() then clock_timestamp()
                                 else clock_timestamp() + $17 * interval '1 ms' end,
            claimed_until = null, version = version + 1
      where id = $1 and claimed_until = $2::timestamptz and version = $18
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
      before.version,
    ],
  );
  return row;
}

/** Somebody wrote the row since it was read: look again at once. */
async function releaseClaim(tx: Tx, claim: Claim): Promise<void> {
  await tx.query(
    `update pull_request set claimed_until = null, next_check_at = clock_timestamp()
      where id = $1 and claimed_until = $2::timestamptz`,
    [claim.id, claim.until],
  );
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
