import { rowSecurity } from './0001-spine.js';
import { tenantBound } from './0005-tenant-bound.js';
import type { Migration } from './migration.js';

/** What agents reach beyond their pods: the hosts that a repository adds, and what each run asked for. */
export const egress: Migration = {
  name: '0010-egress',
  statements: () => [
    `alter table repository add column egress_hosts jsonb not null default '[]'`,
    `create table run_network (
       workspace_id uuid not null references workspace, run_id uuid not null, host text not null, port int not null,
       verdict text not null check (verdict in ('allowed','blocked')), reason text, client text, connections int not null,
       bytes_up bigint not null, bytes_down bigint not null, first_at timestamptz not null, last_at timestamptz not null,
       primary key (run_id, host, port, verdict), foreign key (workspace_id, run_id) references run (workspace_id, id))`,
    `create table model_use (
       workspace_id uuid not null references workspace, run_id uuid not null, provider text not null, model text not null,
       calls int not null, input_tokens bigint not null, output_tokens bigint not null, cache_read_tokens bigint not null,
       cache_write_tokens bigint not null, cost_usd numeric(14,6), unpriced_calls int not null,
       primary key (run_id, provider, model), foreign key (workspace_id, run_id) references run (workspace_id, id))`,
    rowSecurity('run_network'),
    rowSecurity('model_use'),
    ...tenantBound.statements(),
  ],
};
