const need = (permission, neededFor, over = {}) => ({
  ...{ permission, neededFor, required: true, grantable: true },
  ...over,
});

const needs = (workflows) => [
  need('Metadata: Read-only', 'Find the repository, its default branch and the rules of its branches.'),
  need('Contents: Read and write', 'Clone the repository, push branches, merge.'),
  need('Pull requests: Read and write', 'Open pull requests, follow their reviews, comment on them and close them.'),
  need('Issues: Read and write', 'Turn labelled issues into tasks, report on them, close them.'),
  need('Commit statuses: Read-only', 'See what CI reports as statuses. Unseen, Capstan does not merge by itself.', {
    required: false,
  }),
  need('Actions: Read-only', 'See what the jobs of GitHub Actions come to, where checks can not be seen.', {
    required: false,
  }),
  need('Checks: Read-only', 'See what all of CI reports as check runs.', {
    ...{ required: false, grantable: false },
  }),
  ...(workflows
    ? [
        need('Workflows: Read and write', 'Push changes of workflow files, which this repository allows.', {
          required: false,
        }),
      ]
    : []),
];

const WORDS = 'Resource not accessible by personal access token';
const NO_CHECKS =
  'GitHub has no such permission for fine-grained tokens. With Actions: Read-only, Capstan sees the jobs of GitHub Actions, and merges once GitHub says that everything else is green too. Of other CI it sees no more than that: for its words use a GitHub App or a classic token with the scope repo.';

/** A token that holds `narrow` lacks pull requests, one with `private` sees no checks, one with `blind` no jobs either; any other has all. */
function accessWith(fullName, token, workflows) {
  const owner = fullName.split('/')[0];
  const remedy = (title) =>
    `Open the token at https://github.com/settings/personal-access-tokens and set ${title} to Read and write under Repository permissions. Its resource owner has to be ${owner}, with ${fullName} among its repositories.`;
  const stateOf = ({ permission }) => {
    if (permission.startsWith('Pull') && token.includes('narrow'))
      return { state: 'missing', words: WORDS, remedy: remedy('Pull requests') };
    if (permission.startsWith('Checks') && /narrow|private|blind/.test(token))
      return { state: 'missing', words: WORDS, remedy: NO_CHECKS };
    if (permission.startsWith('Actions') && token.includes('blind'))
      return { state: 'missing', words: WORDS, remedy: remedy('Actions').replace('Read and write', 'Read-only') };
    if (permission.startsWith('Workflows'))
      return {
        state: 'unknown',
        words: null,
        remedy: 'GitHub shows it only when a workflow file is pushed: look at the token yourself.',
      };
    return { state: 'ok', words: null, remedy: null };
  };
  return {
    ...{ fullName, private: /narrow|private|blind/.test(token), tokenKind: 'fine-grained' },
    permissions: needs(workflows).map((each) => ({ ...each, ...stateOf(each) })),
  };
}

export function tokenHandlers(world) {
  return {
    tokenGuide: ({ query }) => {
      const tokensUrl = 'https://github.com/settings/personal-access-tokens';
      const newTokenUrl = `${tokensUrl}/new?name=Capstan&contents=write&pull_requests=write&issues=write&statuses=read`;
      return { needs: needs(query.allowWorkflowChanges === 'true'), newTokenUrl, tokensUrl };
    },
    checkAccess: ({ body }) => accessWith(body.fullName, body.token ?? '', body.allowWorkflowChanges),
    checkRepositoryAccess: ({ params }) => {
      const { fullName, allowWorkflowChanges } = world.repositories.find(({ id }) => id === params.repositoryId);
      return accessWith(fullName, 'private', allowWorkflowChanges);
    },
  };
}
