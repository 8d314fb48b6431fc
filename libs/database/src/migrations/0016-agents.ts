import { rowSecurity } from './0001-spine.js';
import { tenantBound } from './0005-tenant-bound.js';
import type { Migration } from './migration.js';

/** What the machines that start agents have of them, and what people ask of that: a look, or a try with one line. */
export const agents: Migration = {
  name: '0016-agents',
  statements: () => [
    // A machine is nobody's workspace: its programs are those of all.
    `create table agent_program (
       host text not null, agent text not null, path text, version text, problem jsonb, log_in jsonb,
       looked_at timestamptz not null default clock_timestamp(), primary key (host, agent))`,
    `create table agent_request (
       id uuid primary key, workspace_id uuid not null references workspace, kind text not null check (kind in ('look','test')),
       agent text check ((kind = 'test') = (agent is not null)), repository_id uuid, actor jsonb not null,
       created_at timestamptz not null default clock_timestamp(), owner text, claimed_until timestamptz,
       answered_at timestamptz, answer jsonb, unique (workspace_id, id),
       foreign key (workspace_id, repository_id) references repository (workspace_id, id))`,
    `create unique index agent_test_open on agent_request (workspace_id, agent) where kind = 'test' and answered_at is null`,
    `create index agent_request_open on agent_request (created_at) where answered_at is null`,
    `create index agent_request_age on agent_request (answered_at)`,
    `create index agent_test_last on agent_request (workspace_id, agent, created_at desc) where kind = 'test'`,
    rowSecurity('agent_request'),
    ...tenantBound.statements(),
  ],
};
