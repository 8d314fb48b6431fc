import { EFFECT_TIMEOUT_MS, type MergeMethod } from '@capstan/domain';
import type { Forge, ForgeConnection, ForgePullRequest, ForgeRepository, WriteResult } from '../forge.port.js';
import { githubApps } from './app/apps.js';
import { assertOwnForge, InstallationTokens } from './app/installation-tokens.js';
import { checkAccess, gitAuthorization } from './access.js';
import { GitHubClients, ownerAndName, type Refusal } from './client.js';
import { readGitHubDelivery, verifyGitHubDelivery } from './delivery.parser.js';
import { findReport, report } from './reports.js';
import { tokenGuide } from './permissions.js';
import { pullRequestOf, readPullRequest, viewPullRequest } from './view.js';

type OpenRequest = Parameters<Forge['open']>[1];
type MergeRequest = { readonly sha: string; readonly method: MergeMethod; readonly title?: string };

export interface GitHubOptions {
  /** How long one call may take with all its retries; 10 s unless a test says otherwise. */
  readonly timeoutMs?: number;
  /** Unix ms; the machine's clock unless a test says otherwise. */
  readonly now?: () => number;
}

/** GitHub, and GitHub Enterprise Server through its API root, with a token or as an app. */
export function createGitHubForge({ timeoutMs = EFFECT_TIMEOUT_MS, now = Date.now }: GitHubOptions = {}): Forge {
  const calls = { timeoutMs, now };
  const tokens = new InstallationTokens(calls);
  const clients = new GitHubClients(timeoutMs, (token) => tokens.forget(token));
  return {
    name: 'github',
    async token({ credential, apiUrl, fullName }, purpose) {
      if (credential.kind === 'token') return credential.token;
      assertOwnForge(credential, apiUrl);
      return tokens.token(credential, fullName, purpose);
    },
    refused: (token) => tokens.forget(token),
    apps: githubApps(calls),
    repository: (connection) => readRepository(clients, connection),
    checkAccess: (connection, uses, signal) => checkAccess(clients.client(connection), connection, uses, signal),
    tokenGuide,
    gitAuthorization,
    view: (connection, number, signal) => viewPullRequest(clients.client(connection), connection, number, signal),
    glance: async (connection, number, signal) =>
      pullRequestOf(await readPullRequest(clients.client(connection), { ...connection, number }, signal)),
    findByHead: (connection, branch, signal) => findByHead(clients, connection, branch, signal),
    open: (connection, request, signal) => open(clients, connection, request, signal),
    merge: (connection, number, request, signal) => merge(clients, connection, number, request, signal),
    close: (connection, number, signal) => close(clients, connection, number, signal),
    findComment: (connection, number, marker, signal) => findComment(clients, connection, number, marker, signal),
    comment: (connection, number, body, signal) => comment(clients, connection, number, body, signal),
    deleteComment: (connection, id, signal) => deleteComment(clients, connection, id, signal),
    findReport: (connection, sha, marker, signal) =>
      findReport(clients.client(connection), connection, { sha, marker }, signal),
    report: (connection, wanted, signal) => report(clients.client(connection), connection, wanted, signal),
    verifyDelivery: verifyGitHubDelivery,
    readDelivery: readGitHubDelivery,
  };
}

async function readRepository(clients: GitHubClients, connection: ForgeConnection): Promise<ForgeRepository> {
  const { data } = await clients
    .client(connection)
    .call(`read the repository ${connection.fullName}`, undefined, (rest, request) =>
      rest.repos.get({ ...ownerAndName(connection.fullName), request }),
    );
  return {
    fullName: data.full_name,
    defaultBranch: data.default_branch,
    cloneUrl: data.clone_url,
    private: data.private,
    canPush: data.permissions?.push ?? false,
  };
}

async function findByHead(
  clients: GitHubClients,
  connection: ForgeConnection,
  branch: string,
  signal?: AbortSignal,
): Promise<readonly ForgePullRequest[]> {
  const { owner, repo } = ownerAndName(connection.fullName);
  const found = await clients
    .client(connection)
    .pages(`find pull requests of ${connection.fullName}:${branch}`, signal, (rest, page) =>
      rest.pulls.list({
        owner,
        repo,
        head: `${owner}:${branch}`,
        state: 'all',
        sort: 'created',
        direction: 'desc',
        ...page,
      }),
    );
  return found.map(pullRequestOf).filter(({ headRef }) => headRef === branch);
}

async function open(
  clients: GitHubClients,
  connection: ForgeConnection,
  { title, body, head, base, draft }: OpenRequest,
  signal?: AbortSignal,
): Promise<WriteResult<ForgePullRequest>> {
  const where = ownerAndName(connection.fullName);
  const result = await clients
    .client(connection)
    .write(`open a pull request of ${connection.fullName}:${head}`, [405, 409, 422], signal, (rest, request) =>
      rest.pulls.create({ ...where, title, body, head, base, draft, request }),
    );
  if ('value' in result) return { kind: 'done', value: pullRequestOf(result.value.data) };
  // GitHub has one status for all faults of a request; only its words tell that somebody was faster.
  const exists = /pull request already exists/i.test(result.refusal.words);
  return { kind: exists ? 'stale' : 'refused', reason: result.refusal.words };
}

async function merge(
  clients: GitHubClients,
  connection: ForgeConnection,
  number: number,
  { sha, method, title }: MergeRequest,
  signal?: AbortSignal,
): Promise<WriteResult<{ readonly mergeCommitSha: string }>> {
  const where = { ...ownerAndName(connection.fullName), pull_number: number };
  // A rebase makes no commit of its own that could carry a title.
  const named = title === undefined || method === 'rebase' ? {} : { commit_title: title };
  const result = await clients
    .client(connection)
    .write(`merge ${connection.fullName}#${number}`, [405, 409, 422], signal, (rest, request) =>
      rest.pulls.merge({ ...where, sha, merge_method: method, ...named, request }),
    );
  if ('refusal' in result)
    return { kind: movedMeanwhile(result.refusal) ? 'stale' : 'refused', reason: result.refusal.words };
  const { merged, message, sha: mergeCommitSha } = result.value.data;
  return merged ? { kind: 'done', value: { mergeCommitSha } } : { kind: 'refused', reason: message };
}

/** 409: the head isn't what was judged. A base that moved in the same moment comes as 405, told by its words only. */
function movedMeanwhile({ status, words }: Refusal): boolean {
  return status === 409 || /(head|base) branch was modified/i.test(words);
}

async function close(
  clients: GitHubClients,
  connection: ForgeConnection,
  number: number,
  signal?: AbortSignal,
): Promise<void> {
  const client = clients.client(connection);
  const { state } = await readPullRequest(client, { ...connection, number }, signal);
  if (state === 'closed') return;
  const where = { ...ownerAndName(connection.fullName), pull_number: number };
  await client.call(`close ${connection.fullName}#${number}`, signal, (rest, request) =>
    rest.pulls.update({ ...where, state: 'closed', request }),
  );
}

async function findComment(
  clients: GitHubClients,
  connection: ForgeConnection,
  number: number,
  marker: string,
  signal?: AbortSignal,
): Promise<{ readonly id: string } | null> {
  const where = { ...ownerAndName(connection.fullName), issue_number: number };
  const comments = await clients
    .client(connection)
    .pages(`read the comments of ${connection.fullName}#${number}`, signal, (rest, page) =>
      rest.issues.listComments({ ...where, ...page }),
    );
  const oldest = comments
    .filter(({ body }) => body?.includes(marker))
    .sort((a, b) => a.id - b.id)
    .at(0);
  return oldest ? { id: String(oldest.id) } : null;
}

async function comment(
  clients: GitHubClients,
  connection: ForgeConnection,
  number: number,
  body: string,
  signal?: AbortSignal,
): Promise<{ readonly id: string }> {
  const where = { ...ownerAndName(connection.fullName), issue_number: number };
  const { data } = await clients
    .client(connection)
    .call(`comment on ${connection.fullName}#${number}`, signal, (rest, request) =>
      rest.issues.createComment({ ...where, body, request }),
    );
  return { id: String(data.id) };
}

async function deleteComment(
  clients: GitHubClients,
  connection: ForgeConnection,
  id: string,
  signal?: AbortSignal,
): Promise<void> {
  const where = { ...ownerAndName(connection.fullName), comment_id: Number(id) };
  // 404: it is gone already.
  await clients
    .client(connection)
    .write(`delete the comment ${id} of ${connection.fullName}`, [404], signal, (rest, request) =>
      rest.issues.deleteComment({ ...where, request }),
    );
}
