import { rowSecurity } from './0001-spine.js';
import type { Migration } from './migration.js';

/** What people say to agents at work, and who paused a workspace. */
export const runControl: Migration = {
  name: '0004-run-control',
  statements: () => [
    `alter table workspace add column paused_by jsonb`,
    // The run that a message was given to; a message without one waits for the task's next run.
    `alter table task_request add column given_run_id uuid`,
    `create index task_request_message on task_request (task_id, created_at) where kind = 'message'`,
    `create table run_command (
       id uuid primary key, workspace_id uuid not null references workspace, task_id uuid not null, run_id uuid not null,
       kind text not null check (kind in ('message','interrupt')), text text,
       created_at timestamptz not null default clock_timestamp(), answered_at timestamptz, answer jsonb,
       foreign key (workspace_id, run_id) references run (workspace_id, id))`,
    `create index run_command_open on run_command (run_id) where answered_at is null`,
    rowSecurity('run_command'),
  ],
};
