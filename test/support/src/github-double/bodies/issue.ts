import type { CommentRecord, IssueEventRecord, IssueRecord, LabelRecord, RepositoryRecord } from '../model.js';
import type { World } from '../world.js';
import { repositoryApiUrl, repositoryHtmlUrl } from './repository.js';
import { nodeId, userBody } from './user.js';
import type { Body } from './user.js';

export function association(repository: RepositoryRecord, login: string): string {
  return login === repository.owner ? 'OWNER' : 'COLLABORATOR';
}

export function reactionsBody(url: string): Body {
  return {
    url: `${url}/reactions`,
    total_count: 0,
    '+1': 0,
    '-1': 0,
    laugh: 0,
    hooray: 0,
    confused: 0,
    heart: 0,
    rocket: 0,
    eyes: 0,
  };
}

export function labelBody(world: World, repository: RepositoryRecord, label: LabelRecord): Body {
  return {
    id: label.id,
    node_id: nodeId('Label', label.id),
    url: `${repositoryApiUrl(world, repository)}/labels/${encodeURIComponent(label.name)}`,
    name: label.name,
    color: label.color,
    default: false,
    description: label.description,
  };
}

export function labelBodies(world: World, repository: RepositoryRecord, names: readonly string[]): Body[] {
  return names.flatMap((name) => {
    const label = repository.labels.get(name.toLowerCase());
    return label ? [labelBody(world, repository, label)] : [];
  });
}

export function issueHtmlUrl(world: World, repository: RepositoryRecord, issue: IssueRecord): string {
  return `${repositoryHtmlUrl(world, repository)}/${issue.pull ? 'pull' : 'issues'}/${issue.number}`;
}

export function issueBody(world: World, repository: RepositoryRecord, issue: IssueRecord): Body {
  const api = repositoryApiUrl(world, repository);
  const url = `${api}/issues/${issue.number}`;
  const html = issueHtmlUrl(world, repository, issue);
  const comments = [...repository.comments.values()].filter((comment) => comment.issueNumber === issue.number);
  return {
    url,
    repository_url: api,
    labels_url: `${url}/labels{/name}`,
    comments_url: `${url}/comments`,
    events_url: `${url}/events`,
    timeline_url: `${url}/timeline`,
    html_url: html,
    id: issue.id,
    node_id: nodeId(issue.pull ? 'PullRequest' : 'Issue', issue.id),
    number: issue.number,
    title: issue.title,
    body: issue.body,
    user: userBody(world, issue.author),
    labels: labelBodies(world, repository, issue.labels),
    state: issue.state,
    state_reason: issue.stateReason,
    locked: false,
    active_lock_reason: null,
    assignee: issue.assignees[0] ? userBody(world, issue.assignees[0]) : null,
    assignees: issue.assignees.map((login) => userBody(world, login)),
    milestone: null,
    comments: comments.length,
    created_at: issue.createdAt,
    updated_at: issue.updatedAt,
    closed_at: issue.closedAt,
    closed_by: issue.closedBy ? userBody(world, issue.closedBy) : null,
    author_association: association(repository, issue.author),
    performed_via_github_app: null,
    reactions: reactionsBody(url),
    ...(issue.pull
      ? {
          draft: issue.pull.draft,
          pull_request: {
            url: `${api}/pulls/${issue.number}`,
            html_url: html,
            diff_url: `${html}.diff`,
            patch_url: `${html}.patch`,
            merged_at: issue.pull.mergedAt,
          },
        }
      : {}),
  };
}

export function commentBody(world: World, repository: RepositoryRecord, comment: CommentRecord): Body {
  const api = `${repositoryApiUrl(world, repository)}/issues`;
  const url = `${api}/comments/${comment.id}`;
  const issue = world.issue(repository, comment.issueNumber);
  return {
    url,
    html_url: `${issueHtmlUrl(world, repository, issue)}#issuecomment-${comment.id}`,
    issue_url: `${api}/${comment.issueNumber}`,
    id: comment.id,
    node_id: nodeId('IssueComment', comment.id),
    user: userBody(world, comment.author),
    created_at: comment.createdAt,
    updated_at: comment.updatedAt,
    body: comment.body,
    author_association: association(repository, comment.author),
    performed_via_github_app: null,
    reactions: reactionsBody(url),
  };
}

export function issueEventBody(world: World, repository: RepositoryRecord, event: IssueEventRecord): Body {
  const api = repositoryApiUrl(world, repository);
  const label = event.label === undefined ? undefined : repository.labels.get(event.label.toLowerCase());
  return {
    id: event.id,
    node_id: nodeId('IssueEvent', event.id),
    url: `${api}/issues/events/${event.id}`,
    actor: userBody(world, event.actor),
    event: event.event,
    commit_id: event.commitId ?? null,
    commit_url: event.commitId ? `${api}/commits/${event.commitId}` : null,
    created_at: event.createdAt,
    performed_via_github_app: null,
    ...(label ? { label: { name: label.name, color: label.color } } : {}),
    ...(event.stateReason === undefined ? {} : { state_reason: event.stateReason }),
    ...(event.rename ? { rename: event.rename } : {}),
  };
}
