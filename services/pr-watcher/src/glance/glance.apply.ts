import type { Database, PullRequest } from '@capstan/database';
import { pullRequestChanged } from '@capstan/events';
import { changedEvent, endOfLook } from '../follow/follow.apply.js';
import { releaseClaim, type Claim } from '../follow/follow.snapshot.js';
import type { Pace } from '../follow/pace.decide.js';

/** Writes down that it was looked at and when it will be again. `stale`: as of a look, and nothing was written. */
export async function applyGlance(
  database: Database,
  claim: Claim,
  { version }: Readonly<PullRequest>,
  { nextCheckMs, glance }: Pace,
): Promise<'applied' | 'stale'> {
  return database.commit('follow', async (tx) => {
    const [row] = await tx.query<PullRequest>(
      `update pull_request set ${endOfLook('$3', '$4')}, version = version + 1
        where id = $1 and claimed_until = $2::timestamptz and version = $5 returning *`,
      [claim.id, claim.until, nextCheckMs, glance, version],
    );
    if (row === undefined) {
      await releaseClaim(tx, claim);
      return 'stale';
    }
    await tx.emit(pullRequestChanged, changedEvent(row));
    return 'applied';
  });
}
