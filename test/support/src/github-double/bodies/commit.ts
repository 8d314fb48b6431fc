import type { CommitData, FileChange } from '../git/bare-repository.js';
import type { RepositoryRecord } from '../model.js';
import type { World } from '../world.js';
import { repositoryApiUrl, repositoryHtmlUrl } from './repository.js';
import { userBody } from './user.js';
import type { Body } from './user.js';

const UNSIGNED = { verified: false, reason: 'unsigned', signature: null, payload: null, verified_at: null };

/** The login behind a commit's address: GitHub knows its own no-reply addresses. */
function loginOf(email: string): string | null {
  return /^(?:\d+\+)?([^@]+)@users\.noreply\.github\.com$/.exec(email)?.[1] ?? null;
}

export function commitBody(world: World, repository: RepositoryRecord, commit: CommitData): Body {
  const api = repositoryApiUrl(world, repository);
  const html = repositoryHtmlUrl(world, repository);
  const author = loginOf(commit.author.email);
  const committer = loginOf(commit.committer.email);
  return {
    sha: commit.sha,
    node_id: Buffer.from(`Commit:${commit.sha}`).toString('base64url'),
    commit: {
      author: commit.author,
      committer: commit.committer,
      message: commit.message,
      tree: { sha: commit.tree, url: `${api}/git/trees/${commit.tree}` },
      url: `${api}/git/commits/${commit.sha}`,
      comment_count: 0,
      verification: UNSIGNED,
    },
    url: `${api}/commits/${commit.sha}`,
    html_url: `${html}/commit/${commit.sha}`,
    comments_url: `${api}/commits/${commit.sha}/comments`,
    author: author ? userBody(world, author) : null,
    committer: committer ? userBody(world, committer) : null,
    parents: commit.parents.map((sha) => ({
      sha,
      url: `${api}/commits/${sha}`,
      html_url: `${html}/commit/${sha}`,
    })),
  };
}

export function fileBody(world: World, repository: RepositoryRecord, head: string, change: FileChange): Body {
  const html = repositoryHtmlUrl(world, repository);
  const path = change.filename.split('/').map(encodeURIComponent).join('/');
  return {
    sha: change.blobSha,
    filename: change.filename,
    status: change.status,
    additions: change.additions,
    deletions: change.deletions,
    changes: change.additions + change.deletions,
    blob_url: `${html}/blob/${head}/${path}`,
    raw_url: `${html}/raw/${head}/${path}`,
    contents_url: `${repositoryApiUrl(world, repository)}/contents/${path}?ref=${head}`,
    ...(change.patch === null ? {} : { patch: change.patch }),
    ...(change.previousFilename === null ? {} : { previous_filename: change.previousFilename }),
  };
}

/** A commit as a push webhook shows it. */
export function pushCommitBody(
  world: World,
  repository: RepositoryRecord,
  commit: CommitData,
  changes: readonly FileChange[],
): Body {
  const person = (identity: CommitData['author']): Body => ({
    name: identity.name,
    email: identity.email,
    date: identity.date,
    ...(loginOf(identity.email) ? { username: loginOf(identity.email) } : {}),
  });
  const names = (status: FileChange['status'][]): string[] =>
    changes.filter((change) => status.includes(change.status)).map((change) => change.filename);
  return {
    id: commit.sha,
    tree_id: commit.tree,
    distinct: true,
    message: commit.message,
    timestamp: commit.committer.date,
    url: `${repositoryHtmlUrl(world, repository)}/commit/${commit.sha}`,
    author: person(commit.author),
    committer: person(commit.committer),
    added: names(['added', 'renamed']),
    removed: names(['removed']),
    modified: names(['modified']),
  };
}
