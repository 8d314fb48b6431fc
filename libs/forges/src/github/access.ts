import { EFFECT_TIMEOUT_MS, TransientError } from '@capstan/domain';
import type { ForgeAccess, ForgeConnection, ForgePermission, ForgeUses } from '../forge.port.js';
import { ownerAndName, type Answer, type GitHubClient } from './client.js';
import { needOf, neededPermissions, webRoot, type GitHubPermission } from './permissions.js';

type Verdict = Pick<ForgePermission, 'state' | 'words' | 'remedy'>;

/** What every test of one token needs. */
interface Bench {
  readonly client: GitHubClient;
  readonly connection: ForgeConnection;
  readonly owner: string;
  readonly repo: string;
  readonly branch: string;
  readonly isPrivate: boolean;
  readonly tokenKind: ForgeAccess['tokenKind'];
  /** Of a classic token. */
  readonly scopes: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** GitHub shows a fine-grained token's permissions nowhere: only a call that needs one shows whether it is there. */
export async function checkAccess(
  client: GitHubClient,
  connection: ForgeConnection,
  uses: ForgeUses,
  signal: AbortSignal | undefined,
): Promise<ForgeAccess> {
  const where = ownerAndName(connection.fullName);
  const { data, headers } = await client.call(`read the repository ${connection.fullName}`, signal, (rest, request) =>
    rest.repos.get({ ...where, request }),
  );
  // Classic tokens and OAuth apps are told their scopes with every answer, if only that they have none.
  const scopes = headers['x-oauth-scopes'];
  const tokenKind =
    scopes !== undefined ? 'classic' : connection.token.startsWith('github_pat_') ? 'fine-grained' : 'other';
  const bench: Bench = {
    ...{ client, connection, ...where, signal, tokenKind },
    branch: data.default_branch,
    isPrivate: data.private,
    scopes: (scopes ?? '').split(',').map((scope) => scope.trim()),
  };
  const permissions =
    tokenKind === 'classic'
      ? await classicPermissions(bench, uses)
      : await Promise.all(
          neededPermissions(uses).map(async (needed) => ({ ...needOf(needed), ...(await tested(bench, needed)) })),
        );
  return { tokenKind, permissions };
}

/** No answer is no verdict. */
async function tested(bench: Bench, needed: GitHubPermission): Promise<Verdict> {
  try {
    return await test(bench, needed);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    return { state: 'unknown', words: error.message, remedy: 'Test it again in a while.' };
  }
}

/**
 * The calls change nothing, whatever the token may do. Reads ask for what they are about. Writes ask for something that
 * cannot be done, in a form that GitHub's description of the call allows: it looks at the permission first and refuses
 * with 403; whoever has it is told 422.
 */
async function test(bench: Bench, needed: GitHubPermission): Promise<Verdict> {
  const { client, connection, owner, repo, branch, signal } = bench;
  const doing = `test ${needed.permission} of ${connection.fullName}`;
  const ask = async (call: Parameters<GitHubClient['answer']>[2]): Promise<Verdict> =>
    verdictOf(bench, needed, await client.answer(doing, signal, call));
  switch (needed.name) {
    case 'metadata':
      return OK; // The repository was read with it.
    case 'contents':
      return verdictOf(bench, needed, await advertisedToPush(bench, doing));
    case 'pull_requests':
      // A branch has nothing that is not in itself: no pull request can come of it.
      return ask((rest, request) =>
        rest.pulls.create({ owner, repo, head: branch, base: branch, title: 'A test of a permission', request }),
      );
    case 'issues':
      // There is no issue without a title.
      return ask((rest, request) => rest.issues.create({ owner, repo, title: '', request }));
    case 'statuses':
      return ask((rest, request) =>
        rest.repos.getCombinedStatusForRef({ owner, repo, ref: branch, per_page: 1, request }),
      );
    case 'actions':
      return ask((rest, request) => rest.actions.listWorkflowRunsForRepo({ owner, repo, per_page: 1, request }));
    case 'checks':
      return ask((rest, request) => rest.checks.listForRef({ owner, repo, ref: branch, per_page: 1, request }));
    case 'workflows':
      // GitHub looks at it when a workflow file is pushed, and no such push would be harmless.
      return {
        state: 'unknown',
        words: null,
        remedy: 'GitHub shows it only when a workflow file is pushed: look at the token yourself.',
      };
    default:
      return needed.name satisfies never;
  }
}

const OK: Verdict = { state: 'ok', words: null, remedy: null };

/**
 * How git begins a push: GitHub names the refs to whoever may push, and refuses everybody else here already. git that
 * stops after it has pushed nothing.
 */
async function advertisedToPush({ connection, signal }: Bench, doing: string): Promise<Answer> {
  const timeout = AbortSignal.timeout(EFFECT_TIMEOUT_MS);
  const url = `${connection.cloneUrl.replace(/\/+$/, '')}/info/refs?service=git-receive-pack`;
  try {
    const response = await fetch(url, {
      headers: { authorization: gitAuthorization(connection), 'user-agent': 'git/capstan' },
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const headers = Object.fromEntries(response.headers);
    if (response.ok) {
      // As long as the repository has refs; nobody reads it.
      await response.body?.cancel();
      return { status: response.status, headers, words: '' };
    }
    const words = (await response.text()).trim().slice(0, 500);
    if (response.status >= 500 || response.status === 429)
      throw new TransientError(`could not ${doing}: git was answered ${response.status}: ${words}`, {
        code: 'forge_unavailable',
      });
    return { status: response.status, headers, words };
  } catch (error) {
    if (error instanceof TransientError) throw error;
    throw new TransientError(`could not ${doing}: ${connection.cloneUrl} can't be reached`, {
      code: 'forge_unreachable',
      cause: error,
    });
  }
}

/** Value of an `Authorization` header for git over HTTP. */
export function gitAuthorization({ token }: Pick<ForgeConnection, 'token'>): string {
  return `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
}

function verdictOf(bench: Bench, needed: GitHubPermission, { status, headers, words }: Answer): Verdict {
  // git's door hides what a token may not see, although the API has just shown it.
  const isHidden = status === 404 && /repository not found/i.test(words);
  if (status === 401 || status === 403 || isHidden)
    return { state: 'missing', words, remedy: remedyOf(bench, needed, headers, words) };
  // 404 and 410 say nothing of the permission: issues may be turned off, an account or a proxy may be in the way.
  if (status === 404 || status === 410)
    return {
      state: 'unknown',
      words,
      remedy:
        needed.name === 'issues'
          ? 'Turn issues on in the settings of the repository, or have none of them watched.'
          : 'Look at the token yourself: GitHub did not say whether it has the permission.',
    };
  return OK;
}

function remedyOf(bench: Bench, needed: GitHubPermission, headers: Answer['headers'], words: string): string {
  const { owner, connection, tokenKind } = bench;
  const singleSignOn = /url=(https?:\/\/\S+)/.exec(String(headers['x-github-sso'] ?? ''))?.[1];
  if (singleSignOn) return `Authorise the token for the single sign-on of ${owner} at ${singleSignOn}.`;
  if (/archived/i.test(words)) return 'Unarchive the repository: nothing can be written to it as it is.';
  if (/^Permission to .* denied to /.test(words))
    return 'The token lets through no more than its owner may do: give the account the role Write in the repository.';
  const token = tokenKind === 'other' ? 'the GitHub App' : 'the token';
  if (!needed.grantable && tokenKind === 'fine-grained')
    return 'GitHub has no such permission for fine-grained tokens. With Actions: Read-only, Capstan sees the jobs of GitHub Actions, and merges once GitHub says that everything else is green too. Of other CI it sees no more than that: for its words use a GitHub App or a classic token with the scope repo.';
  const page = `${webRoot(connection.apiUrl)}/settings/personal-access-tokens`;
  const [title, level] = needed.permission.split(': ');
  return tokenKind === 'other'
    ? `Give ${token} the repository permission ${title}: ${level}.`
    : `Open ${token} at ${page} and set ${title} to ${level} under Repository permissions. Its resource owner has to be ${owner}, with ${connection.fullName} among its repositories.`;
}

/** A classic token has scopes, which GitHub names; whether its owner may push, only a call shows. */
async function classicPermissions(bench: Bench, uses: ForgeUses): Promise<readonly ForgePermission[]> {
  const { scopes, isPrivate } = bench;
  const has = scopes.includes('repo') || (scopes.includes('public_repo') && !isPrivate);
  const page = `${webRoot(bench.connection.apiUrl)}/settings/tokens`;
  const lacking = (scope: string): Verdict => ({
    state: 'missing',
    words: `The token has ${scopes.filter(Boolean).join(', ') || 'no scopes'}.`,
    remedy: `Open the token at ${page} and give it the scope ${scope}.`,
  });
  const contents = neededPermissions(uses).find(({ name }) => name === 'contents')!;
  const repo: ForgePermission = {
    permission: isPrivate ? 'repo' : 'repo or public_repo',
    neededFor: `Push branches, open pull requests and follow them to the merge${uses.tickets ? ', work on issues' : ''}.`,
    ...{ required: true, grantable: true },
    ...(has ? await tested(bench, contents) : lacking(isPrivate ? 'repo' : 'repo or public_repo')),
  };
  if (!uses.workflows) return [repo];
  const workflow: ForgePermission = {
    permission: 'workflow',
    neededFor: 'Push changes of workflow files, which this repository allows.',
    ...{ required: false, grantable: true },
    ...(scopes.includes('workflow') ? OK : lacking('workflow')),
  };
  return [repo, workflow];
}
