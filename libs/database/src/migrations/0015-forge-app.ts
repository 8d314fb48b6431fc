import { rowSecurity } from './0001-spine.js';
import { tenantBound } from './0005-tenant-bound.js';
import type { Migration } from './migration.js';

/**
 * Apps that a workspace registered at forges. A repository or ticket source whose `credential_secret` is that of an app
 * is reached as the app. A removed one stays, for what it reported on commits is still its own.
 */
export const forgeApp: Migration = {
  name: '0015-forge-app',
  statements: () => [
    `create table forge_app (
       id uuid primary key, workspace_id uuid not null references workspace, forge text not null, api_url text not null,
       app_id int not null, slug text not null, name text not null, owner text not null, url text not null,
       credential_secret text not null, webhook_secret text,
       created_at timestamptz not null default now(), removed_at timestamptz,
       unique (workspace_id, id), unique (workspace_id, credential_secret))`,
    rowSecurity('forge_app'),
    ...tenantBound.statements(),
  ],
};
