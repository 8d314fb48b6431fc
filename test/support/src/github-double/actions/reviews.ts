import { reviewBody, simplePullBody } from '../bodies/pull-request.js';
import type { PullIssue, RepositoryRecord, ReviewRecord } from '../model.js';
import { GitHubProblem } from '../problem.js';
import type { World } from '../world.js';

export type ReviewEvent = 'APPROVE' | 'REQUEST_CHANGES' | 'COMMENT';

const STATES = { APPROVE: 'APPROVED', REQUEST_CHANGES: 'CHANGES_REQUESTED', COMMENT: 'COMMENTED' } as const;

/** @throws GitHubProblem 422 for judging one's own pull request, or without the body that a request needs. */
export function submitReview(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  author: string,
  input: { event: ReviewEvent; body?: string; commitId?: string },
): ReviewRecord {
  if (issue.author === author && input.event !== 'COMMENT') {
    const verb = input.event === 'APPROVE' ? 'approve' : 'request changes on';
    throw new GitHubProblem(422, 'Unprocessable Entity', [`Review Can not ${verb} your own pull request`]);
  }
  if (!input.body && input.event !== 'APPROVE') {
    throw new GitHubProblem(422, 'Unprocessable Entity', ['Review Body can’t be blank']);
  }
  const review: ReviewRecord = {
    id: world.nextId(),
    author,
    body: input.body ?? '',
    state: STATES[input.event],
    commitId: input.commitId ?? issue.pull.headSha,
    submittedAt: world.now(),
  };
  issue.pull.reviews.push(review);
  issue.updatedAt = world.now();
  const payload = {
    action: 'submitted',
    review: reviewBody(world, repository, issue, review, true),
    pull_request: simplePullBody(world, repository, issue),
  };
  world.deliver({ repository, event: 'pull_request_review', action: 'submitted', sender: author, payload });
  return review;
}
