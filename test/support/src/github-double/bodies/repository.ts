import type { BranchRules, RepositoryRecord, TokenRecord } from '../model.js';
import type { World } from '../world.js';
import { nodeId, userBody } from './user.js';
import type { Body } from './user.js';

export const repositoryApiUrl = (world: World, repository: RepositoryRecord): string =>
  `${world.apiUrl}/repos/${repository.fullName}`;

export const repositoryHtmlUrl = (world: World, repository: RepositoryRecord): string =>
  `${world.url}/${repository.fullName}`;

const API_LINKS: Readonly<Record<string, string>> = {
  archive_url: '/{archive_format}{/ref}',
  assignees_url: '/assignees{/user}',
  blobs_url: '/git/blobs{/sha}',
  branches_url: '/branches{/branch}',
  collaborators_url: '/collaborators{/collaborator}',
  comments_url: '/comments{/number}',
  commits_url: '/commits{/sha}',
  compare_url: '/compare/{base}...{head}',
  contents_url: '/contents/{+path}',
  contributors_url: '/contributors',
  deployments_url: '/deployments',
  downloads_url: '/downloads',
  events_url: '/events',
  forks_url: '/forks',
  git_commits_url: '/git/commits{/sha}',
  git_refs_url: '/git/refs{/sha}',
  git_tags_url: '/git/tags{/sha}',
  hooks_url: '/hooks',
  issue_comment_url: '/issues/comments{/number}',
  issue_events_url: '/issues/events{/number}',
  issues_url: '/issues{/number}',
  keys_url: '/keys{/key_id}',
  labels_url: '/labels{/name}',
  languages_url: '/languages',
  merges_url: '/merges',
  milestones_url: '/milestones{/number}',
  notifications_url: '/notifications{?since,all,participating}',
  pulls_url: '/pulls{/number}',
  releases_url: '/releases{/id}',
  stargazers_url: '/stargazers',
  statuses_url: '/statuses/{sha}',
  subscribers_url: '/subscribers',
  subscription_url: '/subscription',
  tags_url: '/tags',
  teams_url: '/teams',
  trees_url: '/git/trees{/sha}',
};

function minimalRepositoryBody(world: World, repository: RepositoryRecord): Body {
  const api = repositoryApiUrl(world, repository);
  return {
    id: repository.id,
    node_id: nodeId('Repository', repository.id),
    name: repository.name,
    full_name: repository.fullName,
    owner: userBody(world, repository.owner),
    private: repository.private,
    html_url: repositoryHtmlUrl(world, repository),
    description: null,
    fork: false,
    url: api,
    ...Object.fromEntries(Object.entries(API_LINKS).map(([key, suffix]) => [key, `${api}${suffix}`])),
  };
}

/** The repository as everything but `GET /repos/…` shows it, webhooks included. */
export function repositoryBody(world: World, repository: RepositoryRecord): Body {
  const openIssues = [...repository.issues.values()].filter((issue) => issue.state === 'open').length;
  const html = repositoryHtmlUrl(world, repository);
  return {
    ...minimalRepositoryBody(world, repository),
    clone_url: `${html}.git`,
    git_url: `git://${html.replace(/^https?:\/\//, '')}.git`,
    ssh_url: `git@github.com:${repository.fullName}.git`,
    svn_url: html,
    mirror_url: null,
    homepage: null,
    language: null,
    license: null,
    topics: [],
    visibility: repository.private ? 'private' : 'public',
    default_branch: repository.defaultBranch,
    created_at: repository.createdAt,
    updated_at: repository.pushedAt,
    pushed_at: repository.pushedAt,
    size: 0,
    forks: 0,
    forks_count: 0,
    watchers: 0,
    watchers_count: 0,
    stargazers_count: 0,
    open_issues: openIssues,
    open_issues_count: openIssues,
    has_issues: true,
    has_projects: false,
    has_wiki: false,
    has_pages: false,
    has_downloads: false,
    has_discussions: false,
    archived: false,
    disabled: false,
    is_template: false,
    allow_forking: true,
    web_commit_signoff_required: false,
  };
}

export function fullRepositoryBody(world: World, repository: RepositoryRecord, token: TokenRecord | null): Body {
  const canPush = token !== null && token.permissions === 'write' && coversRepository(token, repository);
  return {
    ...repositoryBody(world, repository),
    ...(token ? { permissions: { admin: false, maintain: false, push: canPush, triage: canPush, pull: true } } : {}),
    allow_merge_commit: true,
    allow_squash_merge: true,
    allow_rebase_merge: true,
    allow_auto_merge: false,
    allow_update_branch: false,
    delete_branch_on_merge: false,
    network_count: 0,
    subscribers_count: 0,
  };
}

export function coversRepository(token: TokenRecord, repository: RepositoryRecord): boolean {
  return (
    token.repositories === undefined ||
    token.repositories.some((name) => name.toLowerCase() === repository.fullName.toLowerCase())
  );
}

export function shortBranchBody(world: World, repository: RepositoryRecord, branch: string, sha: string): Body {
  return {
    name: branch,
    commit: { sha, url: `${repositoryApiUrl(world, repository)}/commits/${sha}` },
    protected: repository.rules.has(branch),
  };
}

export function branchBody(world: World, repository: RepositoryRecord, branch: string, commit: Body): Body {
  const api = `${repositoryApiUrl(world, repository)}/branches/${branch}`;
  return {
    name: branch,
    commit,
    _links: { self: api, html: `${repositoryHtmlUrl(world, repository)}/tree/${branch}` },
    protected: repository.rules.has(branch),
    protection: { enabled: false, required_status_checks: { enforcement_level: 'off', contexts: [], checks: [] } },
    protection_url: `${api}/protection`,
  };
}

/** Branch rules as rulesets: readable with "metadata: read" alone, unlike branch protection. */
export function ruleBodies(repository: RepositoryRecord, rules: BranchRules | undefined): Body[] {
  const source = { ruleset_source_type: 'Repository', ruleset_source: repository.fullName, ruleset_id: repository.id };
  const bodies: Body[] = [];
  if (rules?.requiredChecks?.length) {
    bodies.push({
      type: 'required_status_checks',
      ...source,
      parameters: {
        required_status_checks: rules.requiredChecks.map((context) => ({ context })),
        strict_required_status_checks_policy: rules.requireUpToDate ?? false,
        do_not_enforce_on_create: false,
      },
    });
  }
  if (rules?.requiredApprovals !== undefined) {
    bodies.push({
      type: 'pull_request',
      ...source,
      parameters: {
        required_approving_review_count: rules.requiredApprovals,
        dismiss_stale_reviews_on_push: false,
        require_code_owner_review: false,
        require_last_push_approval: false,
        required_review_thread_resolution: false,
        allowed_merge_methods: ['merge', 'squash', 'rebase'],
      },
    });
  }
  return bodies;
}

export function refBody(world: World, repository: RepositoryRecord, ref: string, sha: string): Body {
  const api = repositoryApiUrl(world, repository);
  return {
    ref,
    node_id: Buffer.from(`Ref:${ref}`).toString('base64url'),
    url: `${api}/git/${ref}`,
    object: { type: 'commit', sha, url: `${api}/git/commits/${sha}` },
  };
}
