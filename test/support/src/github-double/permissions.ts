import { coversRepository } from './bodies/repository.js';
import type { RepositoryRecord, TokenRecord } from './model.js';
import { GitHubProblem, notFound } from './problem.js';
import { isPull } from './world.js';
import type { World } from './world.js';

export type Level = 'read' | 'write';

const REPO = '/repos/{owner}/{repo}';

/**
 * What GitHub's documentation says that a token needs, by the end of the route's template: the first that fits counts.
 * More than one is a choice. No fine-grained personal access token can be given `checks`.
 */
const READS: readonly (readonly [RegExp, ...string[]])[] = [
  [/^\/(check-runs|commits\/\{\+ref\}\/check-)/, 'checks'],
  [/^\/commits\/\{\+ref\}\/status/, 'statuses'],
  [/^\/branches\/\{\+?branch\}\/protection/, 'administration'],
  [/^\/actions\//, 'actions'],
  [/^\/(branches|commits|compare|git)(\/|$)/, 'contents'],
  [/^\/pulls\/\{pull_number\}\/merge$/, 'contents'],
  [/^\/pulls(\/|$)/, 'pull_requests'],
  [/^\/hooks(\/|$)/, 'repository_hooks'],
  [/^\/issues\/(\{issue_number\}|comments)/, 'issues', 'pull_requests'],
  [/^\/(issues|labels)(\/|$)/, 'issues'],
  [/^\/statuses\//, 'statuses'],
  [/^/, 'metadata'],
];

interface Asked {
  readonly method: string;
  readonly template: string;
  readonly params: Readonly<Record<string, string>>;
}

/** The permissions of which a route wants one; none outside of repositories. */
function wanted({ method, template }: Asked): { readonly names: readonly string[]; readonly level: Level } {
  const level = method === 'GET' ? 'read' : 'write';
  if (!template.startsWith(REPO)) return { names: [], level };
  const end = template.slice(REPO.length);
  const [, ...names] = READS.find(([pattern]) => pattern.test(end))!;
  return { names, level };
}

/** What GitHub tells about permissions with every answer, good or bad. */
export function permissionHeaders(token: TokenRecord | null, asked: Asked): Readonly<Record<string, string>> {
  const { names, level } = wanted(asked);
  if (token?.scopes !== undefined)
    return { 'x-oauth-scopes': token.scopes.join(', '), 'x-accepted-oauth-scopes': names.length === 0 ? '' : 'repo' };
  if (token?.grants === undefined || names.length === 0) return {};
  return { 'x-accepted-github-permissions': names.map((name) => `${name}=${level}`).join('; ') };
}

/**
 * Refuses what the token wasn't given, before anything of the request is looked at, as GitHub does. What is public may
 * be read with any token.
 * @throws GitHubProblem 403, or 404 to a classic token.
 */
export function assertPermitted(world: World, token: TokenRecord | null, asked: Asked): void {
  const { owner, repo } = asked.params;
  const repository = world.repositories.get(`${owner}/${repo}`.toLowerCase());
  if (token === null || repository === undefined || !asked.template.startsWith(REPO)) return;
  if (token.singleSignOnUrl !== undefined)
    throw new GitHubProblem(
      403,
      'Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization.',
      undefined,
      { 'x-github-sso': `required; url=${token.singleSignOnUrl}` },
    );
  const { names, level } = wanted(asked);
  const isPublicRead = level === 'read' && !repository.private;
  if (isPublicRead || !coversRepository(token, repository)) return;
  if (token.scopes !== undefined && !mayByScope(token.scopes, repository)) throw notFound();
  if (token.grants === undefined) return;
  // The choice between issues and pull requests is one for pull requests alone.
  const number = Number(asked.params['issue_number']);
  const issue = repository.issues.get(number);
  const which = issue !== undefined && !isPull(issue) ? names.slice(0, 1) : names;
  if (!which.some((name) => isGranted(token, name, level)))
    throw new GitHubProblem(
      403,
      `Resource not accessible by ${token.installation ? 'integration' : 'personal access token'}`,
    );
}

/** Whether a fine-grained token was given a permission; every one may read metadata. Other tokens have all. */
export function isGranted({ grants, installation }: TokenRecord, name: string, level: Level): boolean {
  if (grants === undefined || (name === 'metadata' && level === 'read')) return true;
  if (name === 'checks' && installation === undefined) return false;
  return grants[name] === 'write' || (level === 'read' && grants[name] === 'read');
}

export function mayByScope(scopes: readonly string[] | undefined, repository: RepositoryRecord): boolean {
  return scopes === undefined || scopes.includes('repo') || (scopes.includes('public_repo') && !repository.private);
}
