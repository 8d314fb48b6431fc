import { rowSecurity } from './0001-spine.js';
import { tenantBound } from './0005-tenant-bound.js';
import type { Migration } from './migration.js';

/** Secrets of single members, and the order in which keys and providers of models are asked. */
export const ownKeys: Migration = {
  name: '0014-own-keys',
  statements: () => [
    // A member's own secrets go with the membership: nobody is left who could see or change them.
    `alter table secret add column user_id uuid,
       add constraint secret_one_owner check (repository_id is null or user_id is null),
       add constraint secret_member foreign key (workspace_id, user_id)
         references membership (workspace_id, user_id) on delete cascade,
       drop constraint secret_workspace_id_repository_id_name_key,
       add constraint secret_name unique nulls not distinct (workspace_id, repository_id, user_id, name)`,
    `create table model_order (
       workspace_id uuid not null references workspace,
       protocol text not null check (protocol in ('anthropic','openai','gemini')),
       entries jsonb not null, changed_at timestamptz not null default now(), primary key (workspace_id, protocol))`,
    rowSecurity('model_order'),
    ...tenantBound.statements(),
  ],
};
