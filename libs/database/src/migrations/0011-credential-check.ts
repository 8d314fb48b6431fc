import { rowSecurity } from './0001-spine.js';
import { tenantBound } from './0005-tenant-bound.js';
import type { Migration } from './migration.js';

/** What providers say of the credentials that are set, and who asked for a new look when. */
export const credentialCheck: Migration = {
  name: '0011-credential-check',
  statements: () => [
    `alter table secret add column verify_asked_at timestamptz, add constraint secret_tenant unique (workspace_id, id)`,
    // Goes with its secret: what was said of a value that is forgotten says nothing any more.
    `create table credential_check (
       workspace_id uuid not null references workspace, secret_id uuid not null, target text not null, subject text not null,
       secret_version int not null,
       state text not null default 'unchecked'
         check (state in ('unchecked','valid','expired','scope_too_narrow','refused','inconclusive')),
       words text, checked_at timestamptz,
       conclusive_state text check (conclusive_state in ('valid','expired','scope_too_narrow','refused')),
       conclusive_at timestamptz,
       began_at timestamptz not null, claimed_until timestamptz, next_check_at timestamptz not null,
       version int not null default 1,
       primary key (secret_id, target),
       foreign key (workspace_id, secret_id) references secret (workspace_id, id) on delete cascade)`,
    rowSecurity('credential_check'),
    ...tenantBound.statements(),
  ],
};
