import { pullBody } from '../bodies/pull-request.js';
import type { PullIssue, RepositoryRecord } from '../model.js';
import type { World } from '../world.js';

/**
 * Sends a `pull_request` webhook. Its numbers are nought and its mergeability unknown: GitHub sends hooks before it has
 * computed either, so that nobody may lean on them.
 */
export function sendPullHook(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  sender: string,
  action: string,
  extra: Record<string, unknown> = {},
): void {
  const payload = { action, number: issue.number, pull_request: pullHookBody(world, repository, issue), ...extra };
  world.deliver({ repository, event: 'pull_request', action, sender, payload });
}

function pullHookBody(world: World, repository: RepositoryRecord, issue: PullIssue): Record<string, unknown> {
  return pullBody(world, repository, issue, {
    numbers: { additions: 0, deletions: 0, changedFiles: 0, commits: 0 },
    mergeability: { mergeable: null, state: 'unknown' },
  });
}
