import { commentBody, issueBody, labelBodies } from '../bodies/issue.js';
import type { CommentRecord, IssueEventRecord, IssueRecord, RepositoryRecord } from '../model.js';
import { missingField, notFound } from '../problem.js';
import { isPull } from '../world.js';
import type { World } from '../world.js';
import { sendPullHook } from './pull-hooks.js';

export interface IssueChange {
  readonly title?: string;
  readonly body?: string | null;
  readonly state?: 'open' | 'closed';
  readonly stateReason?: IssueRecord['stateReason'];
  readonly labels?: readonly string[];
  readonly assignees?: readonly string[];
}

export function openIssue(
  world: World,
  repository: RepositoryRecord,
  author: string,
  input: { title: string; body?: string | null; labels?: readonly string[]; assignees?: readonly string[] },
): IssueRecord {
  if (!input.title) throw missingField('Issue', 'title');
  const now = world.now();
  const issue: IssueRecord = {
    id: world.nextId(),
    number: repository.nextNumber,
    title: input.title,
    body: input.body ?? null,
    state: 'open',
    stateReason: null,
    author,
    labels: [],
    assignees: [...(input.assignees ?? [])],
    createdAt: now,
    updatedAt: now,
    closedAt: null,
    closedBy: null,
    events: [],
  };
  repository.nextNumber += 1;
  repository.issues.set(issue.number, issue);
  const labels = [...(input.labels ?? [])];
  for (const label of labels) attachLabel(world, repository, issue, author, label);
  sendIssueHook(world, repository, issue, author, 'opened');
  for (const label of labels) sendLabelHook(world, repository, issue, author, 'labeled', label);
  return issue;
}

export function changeIssue(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  actor: string,
  change: IssueChange,
): void {
  const from = issue.title;
  const edited =
    (change.title !== undefined && change.title !== issue.title) ||
    (change.body !== undefined && change.body !== issue.body);
  if (edited) {
    const changes = {
      ...(change.title !== undefined && change.title !== from ? { title: { from } } : {}),
      ...(change.body !== undefined && change.body !== issue.body ? { body: { from: issue.body ?? '' } } : {}),
    };
    if (change.title !== undefined && change.title !== from) {
      issue.title = change.title;
      record(world, issue, actor, { event: 'renamed', rename: { from, to: change.title } });
    }
    if (change.body !== undefined) issue.body = change.body;
    issue.updatedAt = world.now();
    sendIssueHook(world, repository, issue, actor, 'edited', { changes });
  }
  if (change.assignees) {
    issue.assignees = [...change.assignees];
    issue.updatedAt = world.now();
  }
  if (change.labels) replaceLabels(world, repository, issue, actor, change.labels);
  if (change.state === 'closed') closeIssue(world, repository, issue, actor, change.stateReason ?? 'completed');
  if (change.state === 'open') reopenIssue(world, repository, issue, actor);
}

/** Closes an issue or a pull request; nothing happens when it is closed already. */
export function closeIssue(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  actor: string,
  reason: IssueRecord['stateReason'] = 'completed',
): void {
  if (issue.state === 'closed') return;
  issue.state = 'closed';
  issue.stateReason = isPull(issue) ? null : reason;
  issue.closedAt = world.now();
  issue.closedBy = actor;
  record(world, issue, actor, { event: 'closed', stateReason: issue.stateReason });
  sendIssueHook(world, repository, issue, actor, 'closed');
}

export function reopenIssue(world: World, repository: RepositoryRecord, issue: IssueRecord, actor: string): void {
  if (issue.state === 'open') return;
  issue.state = 'open';
  issue.stateReason = isPull(issue) ? null : 'reopened';
  issue.closedAt = null;
  issue.closedBy = null;
  record(world, issue, actor, { event: 'reopened', stateReason: issue.stateReason });
  sendIssueHook(world, repository, issue, actor, 'reopened');
}

export function addLabels(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  actor: string,
  names: readonly string[],
): void {
  for (const name of names) {
    if (attachLabel(world, repository, issue, actor, name)) {
      sendLabelHook(world, repository, issue, actor, 'labeled', name);
    }
  }
}

/** @throws GitHubProblem 404 "Label does not exist" as a plain "Not Found". */
export function removeLabel(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  actor: string,
  name: string,
): void {
  const known = issue.labels.find((label) => label.toLowerCase() === name.toLowerCase());
  if (known === undefined) throw notFound();
  issue.labels = issue.labels.filter((label) => label !== known);
  record(world, issue, actor, { event: 'unlabeled', label: known });
  sendLabelHook(world, repository, issue, actor, 'unlabeled', known);
}

export function replaceLabels(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  actor: string,
  names: readonly string[],
): void {
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  for (const name of issue.labels.filter((label) => !wanted.has(label.toLowerCase()))) {
    removeLabel(world, repository, issue, actor, name);
  }
  addLabels(world, repository, issue, actor, names);
}

/** Labels come into being by being used, as on GitHub. */
export function ensureLabel(world: World, repository: RepositoryRecord, name: string, color = 'ededed') {
  const known = repository.labels.get(name.toLowerCase());
  if (known) return known;
  const label = { id: world.nextId(), name, color, description: null };
  repository.labels.set(name.toLowerCase(), label);
  return label;
}

export function addComment(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  author: string,
  body: string,
): CommentRecord {
  if (!body) throw missingField('IssueComment', 'body');
  const now = world.now();
  const comment = { id: world.nextId(), issueNumber: issue.number, author, body, createdAt: now, updatedAt: now };
  repository.comments.set(comment.id, comment);
  issue.updatedAt = now;
  sendCommentHook(world, repository, comment, author, 'created');
  return comment;
}

export function editComment(
  world: World,
  repository: RepositoryRecord,
  comment: CommentRecord,
  actor: string,
  body: string,
): void {
  const from = comment.body;
  comment.body = body;
  comment.updatedAt = world.now();
  sendCommentHook(world, repository, comment, actor, 'edited', { changes: { body: { from } } });
}

export function deleteComment(world: World, repository: RepositoryRecord, comment: CommentRecord, actor: string): void {
  sendCommentHook(world, repository, comment, actor, 'deleted');
  repository.comments.delete(comment.id);
}

export function record(
  world: World,
  issue: IssueRecord,
  actor: string,
  event: Omit<IssueEventRecord, 'id' | 'actor' | 'createdAt'>,
): void {
  const now = world.now();
  issue.updatedAt = now;
  issue.events.push({ id: world.nextId(), actor, createdAt: now, ...event });
}

function attachLabel(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  actor: string,
  name: string,
): boolean {
  const label = ensureLabel(world, repository, name);
  if (issue.labels.includes(label.name)) return false;
  issue.labels.push(label.name);
  record(world, issue, actor, { event: 'labeled', label: label.name });
  return true;
}

function sendLabelHook(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  actor: string,
  action: 'labeled' | 'unlabeled',
  name: string,
): void {
  sendIssueHook(world, repository, issue, actor, action, { label: labelBodies(world, repository, [name])[0] });
}

function sendIssueHook(
  world: World,
  repository: RepositoryRecord,
  issue: IssueRecord,
  sender: string,
  action: string,
  extra: Record<string, unknown> = {},
): void {
  if (isPull(issue)) {
    sendPullHook(world, repository, issue, sender, action, extra);
    return;
  }
  const payload = { action, issue: issueBody(world, repository, issue), ...extra };
  world.deliver({ repository, event: 'issues', action, sender, payload });
}

function sendCommentHook(
  world: World,
  repository: RepositoryRecord,
  comment: CommentRecord,
  sender: string,
  action: string,
  extra: Record<string, unknown> = {},
): void {
  const payload = {
    action,
    issue: issueBody(world, repository, world.issue(repository, comment.issueNumber)),
    comment: commentBody(world, repository, comment),
    ...extra,
  };
  world.deliver({ repository, event: 'issue_comment', action, sender, payload });
}
