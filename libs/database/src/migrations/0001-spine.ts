import { LEGAL_PAIRS } from '@capstan/domain';
import type { Migration } from './migration.js';

const TENANT = [
  'repository',
  'secret',
  'task',
  'task_dependency',
  'task_event',
  'task_request',
  'pod',
  'pod_health_event',
  'worktree',
  'run',
  'run_log',
  'usage',
  'pull_request',
  'check',
  'review',
  'ticket_source',
  'ticket',
  'delivery',
  'effect',
  'idempotency',
  'credential_pause',
];

/** The trigger that refuses any change of a task's state which the transition table doesn't hold. */
export function taskStateGuard(pairs: readonly (readonly [string, string])[]): string {
  const legal = pairs.map(([from, to]) => `('${from}','${to}')`).join(',');
  return `
    create or replace function task_state_guard() returns trigger language plpgsql as $guard$
    begin
      if new.state <> old.state and (old.state, new.state) not in (${legal}) then
        raise exception 'task %: % -> % is not a transition', old.id, old.state, new.state using errcode = 'check_violation';
      end if;
      return new;
    end $guard$;`;
}

/**
 * Binds a tenant table to the workspace that the transaction names in \`capstan.workspace\`. A transaction that names
 * none is a service's own, which works for every workspace.
 */
export function rowSecurity(table: string): string {
  const bound = `coalesce(nullif(current_setting('capstan.workspace', true), ''), workspace_id::text) = workspace_id::text`;
  return `
    alter table "${table}" enable row level security;
    alter table "${table}" force row level security;
    create policy workspace_bound on "${table}" using (${bound}) with check (${bound});`;
}

const ACCESS = `
  create table workspace (
    id uuid primary key, name text not null, slug text not null unique, paused_at timestamptz,
    created_at timestamptz not null default now(), version int not null default 1);
  create table "user" (
    id uuid primary key, email text not null, name text not null, password_hash text not null,
    created_at timestamptz not null default now());
  create unique index user_email on "user" (lower(email));
  create table membership (
    workspace_id uuid not null references workspace, user_id uuid not null references "user",
    role text not null check (role in ('admin','member','viewer')), primary key (workspace_id, user_id));
  create table session (
    id uuid primary key, user_id uuid not null references "user" on delete cascade, workspace_id uuid not null references workspace,
    token_hash bytea not null unique, created_at timestamptz not null default now(),
    expires_at timestamptz not null, last_seen_at timestamptz not null default now());
  create table token (
    id uuid primary key, user_id uuid not null references "user" on delete cascade, workspace_id uuid not null references workspace,
    name text not null, token_hash bytea not null unique, created_at timestamptz not null default now(), last_used_at timestamptz);
  create table sign_in_link (
    token_hash bytea primary key, user_id uuid not null references "user" on delete cascade,
    workspace_id uuid not null references workspace, expires_at timestamptz not null);
  create table sign_in_attempt (
    key text primary key, failures int not null, locked_until timestamptz, updated_at timestamptz not null default now());
  create table audit (
    id uuid primary key, workspace_id uuid, actor jsonb not null, action text not null, subject text,
    detail jsonb, at timestamptz not null default clock_timestamp());
  create table idempotency (
    workspace_id uuid not null references workspace, key text not null, request_hash text not null,
    status int not null, answer jsonb not null, created_at timestamptz not null default now(), primary key (workspace_id, key));
  create table key_check (version int primary key, nonce bytea not null, ciphertext bytea not null);`;

const REPOSITORY = `
  create table repository (
    id uuid primary key, workspace_id uuid not null references workspace, forge text not null, full_name text not null,
    api_url text not null, clone_url text not null, web_url text not null, default_branch text not null,
    credential_secret text not null, agent jsonb not null, prompt_template text, instructions text not null default '',
    max_concurrent_tasks int not null default 2 check (max_concurrent_tasks between 1 and 1000),
    max_pod_instances int not null default 1 check (max_pod_instances between 1 and 20),
    max_agents_per_pod int not null default 2 check (max_agents_per_pod between 1 and 50),
    image text, auto_merge boolean not null default true,
    merge_method text not null default 'squash' check (merge_method in ('merge','squash','rebase')),
    merge_without_checks boolean not null default false, required_approvals int not null default 0,
    allow_workflow_changes boolean not null default false, allow_submodule_changes boolean not null default false,
    max_run_minutes int not null default 60, max_cost_usd numeric(12,6) not null default 10,
    max_turns int not null default 250, stall_minutes int not null default 10,
    created_at timestamptz not null default now(), archived_at timestamptz, version int not null default 1,
    unique (workspace_id, id));
  create unique index repository_name on repository (workspace_id, api_url, lower(full_name)) where archived_at is null;
  create table secret (
    id uuid primary key, workspace_id uuid not null references workspace, repository_id uuid, name text not null,
    key_version int not null, nonce bytea not null, ciphertext bytea not null,
    set_at timestamptz not null default now(), version int not null default 1,
    unique nulls not distinct (workspace_id, repository_id, name),
    foreign key (workspace_id, repository_id) references repository (workspace_id, id));
  create table credential_pause (
    workspace_id uuid not null references workspace, credential text not null, until timestamptz not null, reason text not null,
    primary key (workspace_id, credential));`;

const TICKET = `
  create table ticket_source (
    id uuid primary key, workspace_id uuid not null references workspace, repository_id uuid not null, kind text not null,
    project text not null, api_url text not null, label text not null, credential_secret text not null,
    enabled boolean not null default true, etag text, last_polled_at timestamptz, next_poll_at timestamptz not null default now(),
    attempts int not null default 0, last_error text, created_at timestamptz not null default now(), version int not null default 1,
    unique (workspace_id, id), unique (repository_id, kind, label),
    foreign key (workspace_id, repository_id) references repository (workspace_id, id));
  create index ticket_source_due on ticket_source (next_poll_at) where enabled;
  create table ticket (
    id uuid primary key, workspace_id uuid not null references workspace, source_id uuid not null, key text not null,
    url text not null, title text not null, body text not null, author text not null, opened_at timestamptz not null,
    state text not null check (state in ('open','closed')), comments jsonb not null default '[]', imported_at timestamptz not null default now(),
    reported text[] not null default '{}', attempts int not null default 0, not_before timestamptz, last_error text, parked_at timestamptz,
    unique (source_id, key, opened_at), unique (workspace_id, id),
    foreign key (workspace_id, source_id) references ticket_source (workspace_id, id));`;

const TASK = `
  create table task (
    id uuid primary key, workspace_id uuid not null references workspace, repository_id uuid not null,
    kind text not null check (kind in ('change','review','job')), title text not null, body text not null,
    state text not null check (state in ('waiting','queued','provisioning','running','pr_opened','needs_attention','failed','cancelled','completed')),
    priority int not null default 100, base_branch text not null, branch text, generation int not null default 1,
    limits jsonb, ticket_id uuid, created_by jsonb not null,
    intent text check (intent in ('cancel','restart','redo')), intent_at timestamptz, intent_by jsonb,
    run_reason text not null default 'initial', run_note text, current_run_id uuid, last_pod_id uuid, run_count int not null default 0,
    retries int not null default 0, ci_resumes int not null default 0, not_before timestamptz,
    waiting jsonb, attention jsonb, agent_unconfirmed boolean not null default false,
    cost_usd numeric(14,6) not null default 0, linked_task_id uuid, traceparent text,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    started_at timestamptz, ended_at timestamptz,
    attempts int not null default 0, last_error text, parked_at timestamptz, version int not null default 1,
    unique (workspace_id, id),
    foreign key (workspace_id, repository_id) references repository (workspace_id, id),
    foreign key (workspace_id, ticket_id) references ticket (workspace_id, id));
  create unique index task_short on task (workspace_id, right(id::text, 8));
  create unique index task_ticket on task (ticket_id) where ticket_id is not null and linked_task_id is null;
  create index task_queue on task (repository_id, priority, created_at, id) where state = 'queued';
  create index task_active on task (repository_id) where state in ('provisioning','running');
  create index task_live on task (state, updated_at) where state not in ('completed','failed','cancelled');
  create index task_list on task (workspace_id, created_at desc, id desc);
  create index task_board on task (workspace_id, state, updated_at desc);
  create trigger task_state_guard before update of state on task for each row execute function task_state_guard();
  create table task_dependency (
    workspace_id uuid not null references workspace, task_id uuid not null, depends_on_id uuid not null,
    primary key (task_id, depends_on_id), check (task_id <> depends_on_id),
    foreign key (workspace_id, task_id) references task (workspace_id, id),
    foreign key (workspace_id, depends_on_id) references task (workspace_id, id));
  create index task_dependency_needed on task_dependency (depends_on_id);
  create table task_event (
    id uuid primary key, workspace_id uuid not null references workspace, task_id uuid not null, kind text not null,
    from_state text, to_state text, cause text not null, actor jsonb not null, trace_id text, detail jsonb,
    at timestamptz not null default clock_timestamp(),
    foreign key (workspace_id, task_id) references task (workspace_id, id));
  create index task_event_task on task_event (task_id, at, id);
  create index task_event_feed on task_event (workspace_id, at desc, id desc);
  create table task_request (
    id uuid primary key, workspace_id uuid not null references workspace, task_id uuid not null, kind text not null,
    arguments jsonb not null default '{}', actor jsonb not null, created_at timestamptz not null default now(),
    answered_at timestamptz, answer jsonb, attempts int not null default 0, not_before timestamptz, last_error text, parked_at timestamptz,
    foreign key (workspace_id, task_id) references task (workspace_id, id));
  create index task_request_open on task_request (created_at) where answered_at is null;`;

const POD = `
  create table pod (
    id uuid primary key, workspace_id uuid not null references workspace, repository_id uuid not null, name text not null unique,
    ordinal int not null, runtime text, state text not null check (state in ('provisioning','ready','error','terminating')),
    capacity int not null, isolation text not null default 'not_isolated' check (isolation in ('isolated','not_isolated')),
    problem jsonb, attempts int not null default 0, not_before timestamptz, last_error text, parked_at timestamptz,
    created_at timestamptz not null default now(), ready_at timestamptz, idle_since timestamptz,
    deadline_at timestamptz, last_seen_at timestamptz, deleted_at timestamptz, version int not null default 1,
    unique (workspace_id, id), foreign key (workspace_id, repository_id) references repository (workspace_id, id));
  create unique index pod_ordinal on pod (repository_id, ordinal) where deleted_at is null;
  create index pod_live on pod (state) where deleted_at is null;
  create table pod_health_event (
    id uuid primary key, workspace_id uuid not null references workspace, pod_id uuid not null,
    kind text not null check (kind in ('crashed','oom_killed','restarted','healthy','orphan_cleaned')), detail text not null,
    at timestamptz not null default clock_timestamp(), foreign key (workspace_id, pod_id) references pod (workspace_id, id));
  create index pod_health_event_pod on pod_health_event (pod_id, at desc);
  create table worktree (
    id uuid primary key, workspace_id uuid not null references workspace, task_id uuid not null, pod_id uuid not null,
    generation int not null, path text not null, home text not null, created_at timestamptz not null default now(), removed_at timestamptz,
    unique (pod_id, task_id, generation),
    foreign key (workspace_id, task_id) references task (workspace_id, id),
    foreign key (workspace_id, pod_id) references pod (workspace_id, id));
  create index worktree_live on worktree (pod_id) where removed_at is null;`;

const RUN = `
  create table run (
    id uuid primary key, workspace_id uuid not null references workspace, repository_id uuid not null, task_id uuid not null,
    number int not null, generation int not null, reason text not null, note text,
    state text not null check (state in ('placed','leased','running','finished')),
    pod_id uuid not null, slot int not null, agent jsonb not null, limits jsonb not null, branch text not null, base_branch text not null,
    owner text, epoch int not null default 0, lease_expires_at timestamptz, fenced_at timestamptz,
    base_sha text, head_sha text, process jsonb, journal_line int not null default 0, log_sequence int not null default 0,
    parse_state jsonb, session text, cost_usd numeric(14,6) not null default 0, outcome jsonb,
    placed_at timestamptz not null default clock_timestamp(), leased_at timestamptz, launched_at timestamptz, finished_at timestamptz,
    deadline_at timestamptz, last_line_at timestamptz, stalled_at timestamptz,
    attempts int not null default 0, not_before timestamptz, last_error text, parked_at timestamptz,
    judged_at timestamptz, published_at timestamptz, traceparent text, version int not null default 1,
    unique (workspace_id, id), unique (task_id, number), check ((state = 'finished') = (outcome is not null)),
    foreign key (workspace_id, task_id) references task (workspace_id, id),
    foreign key (workspace_id, pod_id) references pod (workspace_id, id));
  create unique index run_slot on run (pod_id, slot) where state <> 'finished';
  create unique index run_of_task on run (task_id) where state <> 'finished';
  create index run_live on run (state, lease_expires_at) where state <> 'finished';
  create index run_unjudged on run (finished_at) where state = 'finished' and judged_at is null;
  create index run_task on run (task_id, number);
  create table run_log (
    workspace_id uuid not null, run_id uuid not null, sequence int not null, at timestamptz not null, kind text not null,
    text text not null, data jsonb, primary key (run_id, sequence));
  create table usage (
    workspace_id uuid not null references workspace, run_id uuid not null, model text not null, input_tokens bigint not null,
    output_tokens bigint not null, cache_read_tokens bigint not null, cache_write_tokens bigint not null, cost_usd numeric(14,6),
    primary key (run_id, model), foreign key (workspace_id, run_id) references run (workspace_id, id));
  create table worker (
    id text primary key, host text not null, slots int not null, draining boolean not null default false,
    started_at timestamptz not null default now(), heartbeat_at timestamptz not null default now());`;

const PULL_REQUEST = `
  create table pull_request (
    id uuid primary key, workspace_id uuid not null references workspace, repository_id uuid not null, task_id uuid not null,
    run_id uuid not null, generation int not null, branch text not null, base_branch text not null, title text not null,
    number int, url text, state text not null check (state in ('publishing','open','refused','merged','closed')),
    head_sha text, head_seen_at timestamptz, pushed_sha text, refusal jsonb, decision text,
    checks text not null default 'none', reviews text not null default 'none', mergeable text,
    opened_at timestamptz, merged_at timestamptz, merge_commit text, closed_at timestamptz, closed_by text,
    last_checked_at timestamptz, next_check_at timestamptz not null default now(), claimed_until timestamptz,
    created_at timestamptz not null default now(),
    attempts int not null default 0, last_error text, parked_at timestamptz, version int not null default 1,
    unique (workspace_id, id), unique (task_id, generation),
    foreign key (workspace_id, task_id) references task (workspace_id, id));
  create index pull_request_due on pull_request (next_check_at) where state in ('publishing','open');
  create index pull_request_number on pull_request (repository_id, number);
  create index pull_request_branch on pull_request (repository_id, branch);
  create table "check" (
    workspace_id uuid not null references workspace, pull_request_id uuid not null, name text not null, source text not null,
    state text not null, required boolean not null, url text, summary text, head_sha text not null,
    primary key (pull_request_id, source, name),
    foreign key (workspace_id, pull_request_id) references pull_request (workspace_id, id));
  create table review (
    workspace_id uuid not null references workspace, pull_request_id uuid not null, author text not null, state text not null,
    body text not null, commit_sha text, submitted_at timestamptz not null, primary key (pull_request_id, author),
    foreign key (workspace_id, pull_request_id) references pull_request (workspace_id, id));`;

const TRAFFIC = `
  create table delivery (
    id uuid primary key, workspace_id uuid not null references workspace, repository_id uuid not null, forge text not null,
    remote_id text not null, event text not null, headers jsonb not null, body bytea not null,
    received_at timestamptz not null default now(), handled_at timestamptz, attempts int not null default 0, not_before timestamptz,
    last_error text, parked_at timestamptz, unique (repository_id, remote_id),
    foreign key (workspace_id, repository_id) references repository (workspace_id, id));
  create index delivery_open on delivery (received_at) where handled_at is null;
  create table effect (
    id uuid primary key, workspace_id uuid not null references workspace, task_id uuid not null, run_id uuid, epoch int not null default 0,
    kind text not null, executor text not null, key text not null unique, arguments jsonb not null,
    state text not null default 'requested' check (state in ('requested','claimed','done','refused')),
    claimed_by text, claim_epoch int not null default 0, deadline_at timestamptz, attempts int not null default 0,
    not_before timestamptz, last_error text, remote_id text, result jsonb, parked_at timestamptz,
    created_at timestamptz not null default now(), settled_at timestamptz, traceparent text,
    foreign key (workspace_id, task_id) references task (workspace_id, id));
  create index effect_open on effect (executor, created_at) where state in ('requested','claimed') and parked_at is null;
  create index effect_task on effect (task_id, kind);
  create table outbox (
    id uuid primary key, event text not null, subject text not null, payload jsonb not null, traceparent text,
    created_at timestamptz not null default clock_timestamp(), claimed_until timestamptz);
  create index outbox_age on outbox (created_at);`;

/** Everything of the first release. */
export const spine: Migration = {
  name: '0001-spine',
  statements: () => [
    taskStateGuard(LEGAL_PAIRS),
    ACCESS,
    REPOSITORY,
    TICKET,
    TASK,
    POD,
    RUN,
    PULL_REQUEST,
    TRAFFIC,
    ...TENANT.map(rowSecurity),
  ],
};
