import type { Body } from '../bodies/user.js';
import { nodeId, userBody } from '../bodies/user.js';
import type { World } from '../world.js';
import type { AppRecord, InstallationRecord } from './app-desk.js';

export function appBody(world: World, app: AppRecord): Body {
  return {
    id: app.id,
    slug: app.slug,
    node_id: nodeId('App', app.id),
    client_id: `Iv23li${app.id}`,
    owner: userBody(world, app.owner),
    name: app.name,
    description: null,
    external_url: app.url,
    html_url: `${world.url}/github-apps/${app.slug}`,
    created_at: app.createdAt,
    updated_at: app.createdAt,
    permissions: app.permissions,
    events: app.events,
  };
}

export function installationBody(world: World, installation: InstallationRecord): Body {
  const { id, app, account } = installation;
  const api = `${world.apiUrl}/app/installations/${id}`;
  return {
    id,
    account: userBody(world, account),
    repository_selection: installation.repositories === null ? 'all' : 'selected',
    access_tokens_url: `${api}/access_tokens`,
    repositories_url: `${world.apiUrl}/installation/repositories`,
    html_url: `${world.url}/settings/installations/${id}`,
    app_id: app.id,
    app_slug: app.slug,
    target_id: world.user(account).id,
    target_type: 'User',
    permissions: installation.permissions,
    events: app.events,
    created_at: installation.createdAt,
    updated_at: installation.createdAt,
    single_file_name: null,
    suspended_by: installation.suspendedAt === null ? null : userBody(world, account),
    suspended_at: installation.suspendedAt,
  };
}
