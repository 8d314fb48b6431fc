import type { PullIssue, RepositoryRecord, ReviewRecord } from '../model.js';
import type { World } from '../world.js';
import { association, issueHtmlUrl, labelBodies } from './issue.js';
import { repositoryApiUrl, repositoryBody } from './repository.js';
import { nodeId, userBody } from './user.js';
import type { Body } from './user.js';

export interface PullNumbers {
  readonly additions: number;
  readonly deletions: number;
  readonly changedFiles: number;
  readonly commits: number;
}

export interface Mergeability {
  readonly mergeable: boolean | null;
  readonly state: 'clean' | 'unstable' | 'blocked' | 'behind' | 'dirty' | 'draft' | 'unknown';
}

/** A pull request as lists show it. */
export function simplePullBody(world: World, repository: RepositoryRecord, issue: PullIssue): Body {
  const api = repositoryApiUrl(world, repository);
  const url = `${api}/pulls/${issue.number}`;
  const issueUrl = `${api}/issues/${issue.number}`;
  const html = issueHtmlUrl(world, repository, issue);
  const { pull } = issue;
  const links = {
    review_comments_url: `${url}/comments`,
    commits_url: `${url}/commits`,
    statuses_url: `${api}/statuses/${pull.headSha}`,
    comments_url: `${issueUrl}/comments`,
    review_comment_url: `${api}/pulls/comments{/number}`,
  };
  return {
    url,
    id: issue.id,
    node_id: nodeId('PullRequest', issue.id),
    html_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    issue_url: issueUrl,
    ...links,
    number: issue.number,
    state: issue.state,
    locked: false,
    active_lock_reason: null,
    title: issue.title,
    user: userBody(world, issue.author),
    body: issue.body,
    created_at: issue.createdAt,
    updated_at: issue.updatedAt,
    closed_at: issue.closedAt,
    merged_at: pull.mergedAt,
    merge_commit_sha: pull.mergeCommitSha,
    assignee: issue.assignees[0] ? userBody(world, issue.assignees[0]) : null,
    assignees: issue.assignees.map((login) => userBody(world, login)),
    requested_reviewers: [],
    requested_teams: [],
    labels: labelBodies(world, repository, issue.labels),
    milestone: null,
    draft: pull.draft,
    head: sideBody(world, repository, pull.headRef, pull.headSha),
    base: sideBody(world, repository, pull.baseRef, pull.baseSha),
    _links: {
      self: { href: url },
      html: { href: html },
      issue: { href: issueUrl },
      comments: { href: links.comments_url },
      review_comments: { href: links.review_comments_url },
      review_comment: { href: links.review_comment_url },
      commits: { href: links.commits_url },
      statuses: { href: links.statuses_url },
    },
    author_association: association(repository, issue.author),
    auto_merge: null,
  };
}

function sideBody(world: World, repository: RepositoryRecord, ref: string, sha: string): Body {
  return {
    label: `${repository.owner}:${ref}`,
    ref,
    sha,
    user: userBody(world, repository.owner),
    repo: repositoryBody(world, repository),
  };
}

/** A pull request on its own: with what costs git something to know. */
export function pullBody(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  facts: { readonly numbers: PullNumbers; readonly mergeability: Mergeability },
): Body {
  const comments = [...repository.comments.values()].filter((comment) => comment.issueNumber === issue.number);
  return {
    ...simplePullBody(world, repository, issue),
    merged: issue.pull.mergedAt !== null,
    mergeable: facts.mergeability.mergeable,
    rebaseable: facts.mergeability.mergeable,
    mergeable_state: facts.mergeability.state,
    merged_by: issue.pull.mergedBy ? userBody(world, issue.pull.mergedBy) : null,
    comments: comments.length,
    review_comments: 0,
    maintainer_can_modify: false,
    commits: facts.numbers.commits,
    additions: facts.numbers.additions,
    deletions: facts.numbers.deletions,
    changed_files: facts.numbers.changedFiles,
  };
}

export function reviewBody(
  world: World,
  repository: RepositoryRecord,
  issue: PullIssue,
  review: ReviewRecord,
  forHook = false,
): Body {
  const url = `${repositoryApiUrl(world, repository)}/pulls/${issue.number}`;
  const html = `${issueHtmlUrl(world, repository, issue)}#pullrequestreview-${review.id}`;
  return {
    id: review.id,
    node_id: nodeId('PullRequestReview', review.id),
    user: userBody(world, review.author),
    body: forHook ? review.body || null : review.body,
    // Webhooks write the state in lower case, REST in upper case.
    state: forHook ? review.state.toLowerCase() : review.state,
    html_url: html,
    pull_request_url: url,
    _links: { html: { href: html }, pull_request: { href: url } },
    submitted_at: review.submittedAt,
    commit_id: review.commitId,
    author_association: association(repository, review.author),
  };
}
