import { notFound, requiresAuthentication } from '../problem.js';
import { created, ok } from '../router.js';
import type { Answer, Call, Route } from '../router.js';
import { appBody, installationBody } from './app-bodies.js';
import type { AppRecord, Permissions } from './app-desk.js';

export const appRoutes: readonly Route[] = [
  { method: 'POST', template: '/app-manifests/{code}/conversions', handle: convert },
  { method: 'GET', template: '/app', handle: (call) => ok(appBody(call.world, self(call))) },
  { method: 'GET', template: '/app/installations', handle: listInstallations },
  { method: 'GET', template: '/repos/{owner}/{repo}/installation', handle: repositoryInstallation },
  { method: 'POST', template: '/app/installations/{installation_id}/access_tokens', handle: createToken },
];

/** Who asks, as an app. @throws GitHubProblem 401 for everybody else. */
function self(call: Call): AppRecord {
  if (call.app === null) throw requiresAuthentication();
  return call.app;
}

function convert(call: Call): Answer {
  const { app, pem, webhookSecret } = call.world.apps.takeCode(call.param('code'));
  return created({
    ...appBody(call.world, app),
    client_id: `Iv23li${app.id}`,
    client_secret: `secret-${app.id}`,
    webhook_secret: webhookSecret,
    pem,
  });
}

function listInstallations(call: Call): Answer {
  const app = self(call);
  const own = call.world.apps.installations.filter((each) => each.app === app);
  return call.page(own, (each) => {
    const body = installationBody(call.world, each);
    // GitHub's description of this list wants of an account what a person and what an enterprise has.
    const both = { name: each.account, slug: each.account, created_at: each.createdAt, updated_at: each.createdAt };
    return { ...body, account: { ...(body['account'] as object), ...both } };
  });
}

function repositoryInstallation(call: Call): Answer {
  const app = self(call);
  const repository = call.world.repository(`${call.param('owner')}/${call.param('repo')}`);
  const found = call.world.apps.covering(app, repository);
  if (!found) throw notFound();
  return ok(installationBody(call.world, found));
}

function createToken(call: Call): Answer {
  const app = self(call);
  const id = call.number('installation_id');
  const installation = call.world.apps.installations.find((each) => each.app === app && each.id === id);
  if (!installation) throw notFound();
  const repositories = Array.isArray(call.body['repositories']) ? call.strings('repositories') : undefined;
  const permissions = call.body['permissions'] as Permissions | undefined;
  const token = call.world.apps.token(installation, {
    ...(repositories && { repositories }),
    ...(permissions && { permissions }),
  });
  return created({
    token: token.token,
    expires_at: new Date(token.expiresAt!).toISOString().replace(/\.\d+Z$/, 'Z'),
    permissions: token.grants,
    repository_selection: repositories || installation.repositories !== null ? 'selected' : 'all',
  });
}
