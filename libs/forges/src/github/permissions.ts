import { UserError } from '@capstan/domain';
import type { ForgeNeed, ForgeTokenGuide, ForgeUses } from '../forge.port.js';

/** A repository permission of fine-grained tokens and GitHub Apps that Capstan's calls need. */
export interface GitHubPermission extends ForgeNeed {
  /** Its name in GitHub's API and in the address of the page that makes a token. */
  readonly name: 'metadata' | 'contents' | 'pull_requests' | 'issues' | 'statuses' | 'actions' | 'checks' | 'workflows';
  readonly access: 'read' | 'write';
}

interface Entry extends Omit<GitHubPermission, 'permission'> {
  readonly title: string;
  readonly wanted?: (uses: ForgeUses) => boolean;
}

/**
 * What Capstan calls at GitHub, by the permission that GitHub's documentation names for the call ("Permissions required
 * for fine-grained personal access tokens"). Who adds a call looks whether its permission is here.
 */
const PERMISSIONS: readonly Entry[] = [
  {
    // GET repository, GET rules of a branch. Part of every token.
    ...{ name: 'metadata', access: 'read', title: 'Metadata', required: true, grantable: true },
    neededFor: 'Find the repository, its default branch and the rules of its branches.',
  },
  {
    // git fetch and push, GET branch, PUT merge.
    ...{ name: 'contents', access: 'write', title: 'Contents', required: true, grantable: true },
    neededFor: 'Clone the repository, push branches, merge.',
  },
  {
    // GET and POST pulls, GET and PATCH a pull request, its reviews; its comments, which issues would open too.
    ...{ name: 'pull_requests', access: 'write', title: 'Pull requests', required: true, grantable: true },
    neededFor: 'Open pull requests, follow their reviews, comment on them and close them.',
  },
  {
    // GET issues and their comments, POST comment, PATCH state.
    ...{ name: 'issues', access: 'write', title: 'Issues', required: true, grantable: true },
    neededFor: 'Turn labelled issues into tasks, report on them, close them.',
    wanted: ({ tickets }) => tickets,
  },
  {
    // GET the combined status of a commit.
    ...{ name: 'statuses', access: 'read', title: 'Commit statuses', required: false, grantable: true },
    neededFor: 'See what CI reports as statuses. Unseen, Capstan does not merge by itself.',
  },
  {
    // GET the workflow runs of a commit and their jobs, where check runs may not be read.
    ...{ name: 'actions', access: 'read', title: 'Actions', required: false, grantable: true },
    neededFor: 'See what the jobs of GitHub Actions come to, where checks can not be seen.',
  },
  {
    // GET the check runs of a commit. There is such a permission for GitHub Apps only.
    ...{ name: 'checks', access: 'read', title: 'Checks', required: false, grantable: false },
    neededFor: 'See what all of CI reports as check runs.',
  },
  {
    // git push of anything below .github/workflows.
    ...{ name: 'workflows', access: 'write', title: 'Workflows', required: false, grantable: true },
    neededFor: 'Push changes of workflow files, which this repository allows.',
    wanted: ({ workflows }) => workflows,
  },
];

const LEVELS = { read: 'Read-only', write: 'Read and write' } as const;

/** What Capstan needs of a repository, in the order in which a person would grant it. */
export function neededPermissions(uses: ForgeUses): readonly GitHubPermission[] {
  return PERMISSIONS.filter(({ wanted }) => wanted?.(uses) ?? true).map(({ wanted: _, title, ...entry }) => ({
    ...entry,
    permission: `${title}: ${LEVELS[entry.access]}`,
  }));
}

/**
 * GitHub takes name, description, resource owner and permissions in the address of its page ("Pre-filling fine-grained
 * personal access token details using URL parameters"), but no repository. Enterprise Server ignores them.
 */
export function tokenGuide(
  { apiUrl, fullName }: { readonly apiUrl: string; readonly fullName: string | null },
  uses: ForgeUses,
): ForgeTokenGuide {
  const needs = neededPermissions(uses);
  const tokensUrl = `${webRoot(apiUrl)}/settings/personal-access-tokens`;
  const url = new URL(`${tokensUrl}/new`);
  // GitHub takes 40 characters.
  url.searchParams.set('name', `Capstan ${fullName ?? ''}`.trim().slice(0, 40));
  url.searchParams.set('description', 'Capstan turns tickets into merged pull requests.');
  const owner = fullName?.split('/')[0];
  if (owner) url.searchParams.set('target_name', owner);
  for (const { name, access, grantable } of needs)
    if (grantable && name !== 'metadata') url.searchParams.set(name, access);
  return { needs: needs.map(needOf), newTokenUrl: url.href, tokensUrl };
}

export function needOf({ permission, neededFor, required, grantable }: ForgeNeed): ForgeNeed {
  return { permission, neededFor, required, grantable };
}

/** Where people are, by the API root: `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server. */
export function webRoot(apiUrl: string): string {
  if (!/^https?:\/\//.test(apiUrl) || !URL.canParse(apiUrl))
    throw new UserError(`"${apiUrl}" is not the address of an API`, {
      code: 'address_invalid',
      field: 'apiUrl',
      status: 422,
    });
  const { protocol, host } = new URL(apiUrl);
  return `${protocol}//${host.replace(/^api\.(?=github\.com$|[\w-]+\.ghe\.com$)/, '')}`;
}
