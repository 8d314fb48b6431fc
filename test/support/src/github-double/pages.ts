import type { IssueRecord, RepositoryRecord } from './model.js';
import { latestCheckRuns } from './actions/checks.js';
import { pullChanges } from './actions/pull-requests.js';
import type { Answer } from './router.js';
import { isPull } from './world.js';
import type { World } from './world.js';

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * Plain pages behind the `html_url`s of public repositories, so that a link in a dashboard leads somewhere.
 * null: not a page.
 */
export async function htmlPage(world: World, path: string): Promise<Answer | null> {
  const [owner, name, kind, id] = path.split('/').filter(Boolean).map(decode);
  const repository = world.repositories.get(`${owner ?? ''}/${name ?? ''}`.toLowerCase());
  if (!repository || repository.private) return null;
  const body = await content(repository, kind, id);
  return body === null ? null : page(repository, body);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function content(
  repository: RepositoryRecord,
  kind: string | undefined,
  id: string | undefined,
): Promise<string | null> {
  if (kind === undefined) return overview(repository);
  if ((kind === 'pull' || kind === 'issues') && id && /^\d+$/.test(id)) {
    const issue = repository.issues.get(Number(id));
    return issue ? conversation(repository, issue) : null;
  }
  if (kind === 'commit' && id && /^[0-9a-f]{7,40}$/.test(id)) {
    const sha = await repository.git.resolve(id);
    return sha ? `<pre>${escape(await repository.git.git(['show', '--stat', '--patch', sha]))}</pre>` : null;
  }
  if (kind === 'runs' && id) {
    const run = repository.checkRuns.find((candidate) => String(candidate.id) === id);
    if (!run) return null;
    const state = run.conclusion ?? run.status;
    return `<h1>${escape(run.name)}: ${state}</h1><pre>${escape(run.output.text ?? run.output.summary ?? '')}</pre>`;
  }
  return null;
}

async function overview(repository: RepositoryRecord): Promise<string> {
  const files = await repository.git.git(['ls-tree', '-r', '--name-only', `refs/heads/${repository.defaultBranch}`]);
  const issues = [...repository.issues.values()].reverse().map((issue) => {
    const kind = issue.pull ? 'pull' : 'issues';
    const state = issue.pull?.mergedAt ? 'merged' : issue.state;
    const label = `#${issue.number} ${escape(issue.title)}`;
    return `<li><a href="/${repository.fullName}/${kind}/${issue.number}">${label}</a> <em>${state}</em></li>`;
  });
  return `<h1>${repository.fullName}</h1><ul>${issues.join('')}</ul><pre>${escape(files)}</pre>`;
}

async function conversation(repository: RepositoryRecord, issue: IssueRecord): Promise<string> {
  const state = issue.pull?.mergedAt ? 'merged' : issue.state;
  const said = (author: string, text: string): string =>
    `<article><strong>${escape(author)}</strong><pre>${escape(text)}</pre></article>`;
  const comments = [...repository.comments.values()]
    .filter((comment) => comment.issueNumber === issue.number)
    .map((comment) => said(comment.author, comment.body));
  const head = `<h1>${escape(issue.title)} #${issue.number}</h1><p><em>${state}</em> ${issue.labels.map(escape).join(', ')}</p>`;
  const parts = [head, said(issue.author, issue.body ?? ''), ...comments];
  if (isPull(issue)) {
    const checks = latestCheckRuns(repository, issue.pull.headSha).map(
      (run) =>
        `<li><a href="/${repository.fullName}/runs/${run.id}">${escape(run.name)}</a>: ${run.conclusion ?? run.status}</li>`,
    );
    const changes = await pullChanges(repository, issue);
    const diff = changes.map((change) => `${change.filename}\n${change.patch ?? ''}`).join('\n\n');
    parts.push(`<p>${escape(issue.pull.headRef)} into ${escape(issue.pull.baseRef)}</p><ul>${checks.join('')}</ul>`);
    parts.push(`<pre>${escape(diff)}</pre>`);
  }
  return parts.join('');
}

function page(repository: RepositoryRecord, body: string): Answer {
  const style =
    ':root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}' +
    'pre{overflow:auto;padding:1rem;background:#8881;border-radius:6px;white-space:pre-wrap}';
  const text =
    `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>${repository.fullName}</title><style>${style}</style>` +
    `<p><a href="/${repository.fullName}">${repository.fullName}</a> on the demo forge</p>${body}`;
  return {
    status: 200,
    body: text,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    },
  };
}
