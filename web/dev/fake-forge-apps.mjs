const installation = (account, over = {}) => ({
  ...{ account, allRepositories: false, suspended: false, missing: [] },
  settingsUrl: `https://github.com/organizations/${account}/settings/installations/1`,
  ...over,
});

/** Apps as GitHub would show them: one that is ready, one that is in the way of itself. */
export function forgeAppHandlers(world) {
  const app = (id, slug, name, over = {}) => ({
    ...{ id, slug, name, forge: 'github', apiUrl: 'https://api.github.com', owner: 'acme', repositories: 2 },
    url: `https://github.com/apps/${slug}`,
    installUrl: `https://github.com/apps/${slug}/installations/new`,
    credentialSecret: `GITHUB_APP_${id.slice(-8).toUpperCase()}_KEY`,
    ...{ deliversWebhooks: true, createdAt: new Date(world.startedAt).toISOString() },
    ...over,
  });
  const first = app('0190c2f4-7b00-7000-8000-0000000000a1', 'capstan-acme-00a1', 'Capstan acme 00a1');
  const second = app('0190c2f4-7b00-7000-8000-0000000000a2', 'capstan-lab-00a2', 'Capstan lab 00a2', {
    ...{ owner: 'acme-lab', repositories: 0, deliversWebhooks: false },
  });
  world.forgeApps ??= world.repositories.length === 0 ? [] : [first, second];
  return {
    listForgeApps: () => ({ items: world.forgeApps }),
    beginForgeApp: () => ({ page: '/settings/github-app?code=fake&state=fake' }),
    createForgeApp: () => [201, first],
    forgeAppInstallations: ({ params }) => ({
      items:
        params.forgeAppId === first.id
          ? [installation('acme', { allRepositories: true }), installation('acme-shop')]
          : [
              installation('acme-lab', { missing: ['Checks: Read and write'] }),
              installation('acme-old', { suspended: true }),
            ],
    }),
    deleteForgeApp: ({ params }) => {
      world.forgeApps = world.forgeApps.filter(({ id }) => id !== params.forgeAppId);
    },
  };
}
