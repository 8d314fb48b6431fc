import {
  addComment,
  addLabels,
  changeIssue,
  deleteComment,
  editComment,
  ensureLabel,
  openIssue,
  removeLabel,
  replaceLabels,
} from '../actions/issues.js';
import { commentBody, issueBody, issueEventBody, labelBodies, labelBody } from '../bodies/issue.js';
import type { CommentRecord, IssueRecord, RepositoryRecord } from '../model.js';
import { GitHubProblem, missingField, notFound, validationFailed } from '../problem.js';
import { created, noContent, ok } from '../router.js';
import type { Answer, Call, Route } from '../router.js';

const REPO = '/repos/{owner}/{repo}';
const ISSUE = `${REPO}/issues/{issue_number}`;
const COMMENT = `${REPO}/issues/comments/{comment_id}`;

export const issueRoutes: readonly Route[] = [
  { method: 'GET', template: `${REPO}/issues`, handle: listIssues },
  { method: 'POST', template: `${REPO}/issues`, handle: createIssue },
  { method: 'GET', template: `${REPO}/issues/comments`, handle: listAllComments },
  { method: 'GET', template: COMMENT, handle: (call) => oneComment(call, call.readable()) },
  { method: 'PATCH', template: COMMENT, handle: patchComment },
  { method: 'DELETE', template: COMMENT, handle: removeComment },
  {
    method: 'GET',
    template: ISSUE,
    handle: (call) => {
      const repository = call.readable();
      return ok(issueBody(call.world, repository, call.issue(repository)));
    },
  },
  { method: 'PATCH', template: ISSUE, handle: patchIssue },
  { method: 'GET', template: `${ISSUE}/comments`, handle: listComments },
  { method: 'POST', template: `${ISSUE}/comments`, handle: createComment },
  {
    method: 'GET',
    template: `${ISSUE}/events`,
    handle: (call) => {
      const repository = call.readable();
      const { events } = call.issue(repository);
      return call.page(events, (event) => issueEventBody(call.world, repository, event));
    },
  },
  { method: 'GET', template: `${ISSUE}/labels`, handle: (call) => labelsOf(call, call.readable()) },
  { method: 'POST', template: `${ISSUE}/labels`, handle: (call) => changeLabels(call, addLabels) },
  { method: 'PUT', template: `${ISSUE}/labels`, handle: (call) => changeLabels(call, replaceLabels) },
  { method: 'DELETE', template: `${ISSUE}/labels/{name}`, handle: deleteLabel },
  {
    method: 'GET',
    template: `${REPO}/labels`,
    handle: (call) => {
      const repository = call.readable();
      return call.page([...repository.labels.values()], (label) => labelBody(call.world, repository, label));
    },
  },
  { method: 'GET', template: `${REPO}/labels/{name}`, handle: getLabel },
  { method: 'POST', template: `${REPO}/labels`, handle: createLabel },
];

type Sortable = Pick<IssueRecord, 'createdAt' | 'updatedAt' | 'number'>;

/** GitHub's order of lists: newest first unless told otherwise, ties by number. */
function sorted<T extends Sortable>(call: Call, issues: readonly T[]): T[] {
  const key = call.query('sort') === 'updated' ? 'updatedAt' : 'createdAt';
  const sign = call.query('direction') === 'asc' ? 1 : -1;
  return [...issues].sort((a, b) => sign * (a[key].localeCompare(b[key]) || a.number - b.number));
}

function listIssues(call: Call): Answer {
  const repository = call.readable();
  const state = call.query('state') ?? 'open';
  const labels = (call.query('labels') ?? '').split(',').filter(Boolean);
  const since = call.query('since');
  const creator = call.query('creator');
  const matching = [...repository.issues.values()].filter(
    (issue) =>
      (state === 'all' || issue.state === state) &&
      labels.every((wanted) => issue.labels.some((label) => label.toLowerCase() === wanted.trim().toLowerCase())) &&
      (since === undefined || Date.parse(issue.updatedAt) >= Date.parse(since)) &&
      (creator === undefined || issue.author === creator),
  );
  return call.page(sorted(call, matching), (issue) => issueBody(call.world, repository, issue));
}

function createIssue(call: Call): Answer {
  const repository = call.writable();
  const issue = openIssue(call.world, repository, call.login(), {
    title: call.text('title') ?? '',
    body: call.text('body') ?? null,
    labels: call.strings('labels'),
    assignees: call.strings('assignees'),
  });
  return created(issueBody(call.world, repository, issue));
}

function patchIssue(call: Call): Answer {
  const repository = call.writable();
  const issue = call.issue(repository);
  const state = call.word('state', ['open', 'closed']);
  const stateReason = call.word('state_reason', ['completed', 'not_planned', 'duplicate', 'reopened']);
  const title = call.text('title');
  changeIssue(call.world, repository, issue, call.login(), {
    ...(title === undefined ? {} : { title }),
    ...('body' in call.body ? { body: call.text('body') ?? null } : {}),
    ...(state ? { state } : {}),
    ...(stateReason ? { stateReason } : {}),
    ...('labels' in call.body ? { labels: call.strings('labels') } : {}),
    ...('assignees' in call.body ? { assignees: call.strings('assignees') } : {}),
  });
  return ok(issueBody(call.world, repository, issue));
}

function commentsPage(call: Call, repository: RepositoryRecord, comments: CommentRecord[]): Answer {
  const since = call.query('since');
  const shown = comments.filter((comment) => since === undefined || Date.parse(comment.updatedAt) >= Date.parse(since));
  return call.page(shown, (comment) => commentBody(call.world, repository, comment));
}

function listComments(call: Call): Answer {
  const repository = call.readable();
  const { number } = call.issue(repository);
  return commentsPage(
    call,
    repository,
    [...repository.comments.values()].filter((comment) => comment.issueNumber === number),
  );
}

function listAllComments(call: Call): Answer {
  const repository = call.readable();
  return commentsPage(call, repository, [...repository.comments.values()]);
}

function createComment(call: Call): Answer {
  const repository = call.writable();
  const issue = call.issue(repository);
  const comment = addComment(call.world, repository, issue, call.login(), call.text('body') ?? '');
  return created(commentBody(call.world, repository, comment));
}

function comment(call: Call, repository: RepositoryRecord): CommentRecord {
  const found = repository.comments.get(call.number('comment_id'));
  if (!found) throw notFound();
  return found;
}

const oneComment = (call: Call, repository: RepositoryRecord): Answer =>
  ok(commentBody(call.world, repository, comment(call, repository)));

function patchComment(call: Call): Answer {
  const repository = call.writable();
  const body = call.text('body');
  if (!body) throw missingField('IssueComment', 'body');
  editComment(call.world, repository, comment(call, repository), call.login(), body);
  return oneComment(call, repository);
}

function removeComment(call: Call): Answer {
  const repository = call.writable();
  deleteComment(call.world, repository, comment(call, repository), call.login());
  return noContent();
}

function labelsOf(call: Call, repository: RepositoryRecord): Answer {
  return call.page(labelBodies(call.world, repository, call.issue(repository).labels), (label) => label);
}

function changeLabels(call: Call, change: typeof addLabels): Answer {
  const repository = call.writable();
  change(call.world, repository, call.issue(repository), call.login(), call.strings('labels'));
  return labelsOf(call, repository);
}

function deleteLabel(call: Call): Answer {
  const repository = call.writable();
  const issue = call.issue(repository);
  const name = call.param('name');
  if (!issue.labels.some((label) => label.toLowerCase() === name.toLowerCase())) {
    throw new GitHubProblem(404, 'Label does not exist');
  }
  removeLabel(call.world, repository, issue, call.login(), name);
  return ok(labelBodies(call.world, repository, issue.labels));
}

function getLabel(call: Call): Answer {
  const repository = call.readable();
  const label = repository.labels.get(call.param('name').toLowerCase());
  if (!label) throw notFound();
  return ok(labelBody(call.world, repository, label));
}

function createLabel(call: Call): Answer {
  const repository = call.writable();
  const name = call.text('name');
  if (!name) throw missingField('Label', 'name');
  if (repository.labels.has(name.toLowerCase())) {
    throw validationFailed({ resource: 'Label', field: 'name', code: 'already_exists' });
  }
  const label = ensureLabel(call.world, repository, name, call.text('color'));
  label.description = call.text('description') ?? null;
  return created(labelBody(call.world, repository, label));
}
