import { LEGAL_PAIRS } from '@capstan/domain';
import { rowSecurity, taskStateGuard } from './0001-spine.js';
import type { Migration } from './migration.js';

/** Where a person's symptom comes from: the code of the error that parked the row, when the registry has one. */
const CODED = ['task', 'task_request', 'run', 'pod', 'pull_request', 'effect', 'ticket', 'delivery', 'outbox'];

/** Parked rows as something that people see and cure. */
export const parkedRows: Migration = {
  name: '0002-parked-rows',
  statements: () => [
    // A task whose publishing was replayed goes on to its pull request.
    taskStateGuard(LEGAL_PAIRS),
    // The back-off of the handler that fails is not the back-off of the task, which placement goes by.
    `alter table task add column retry_at timestamptz`,
    `alter table outbox add column attempts int not null default 0, add column not_before timestamptz,
       add column last_error text, add column parked_at timestamptz`,
    ...CODED.map((table) => `alter table "${table}" add column last_error_code text`),
    ...CODED.map(
      (table) => `create index ${table}_parked on "${table}" (parked_at desc, id desc) where parked_at is not null`,
    ),
    `create table parked_request (
       id uuid primary key, workspace_id uuid not null references workspace, kind text not null, row_id uuid not null,
       action text not null check (action in ('replay','drop')), owner text not null, reason text, actor jsonb not null,
       created_at timestamptz not null default clock_timestamp(), answered_at timestamptz, answer jsonb,
       attempts int not null default 0, not_before timestamptz, last_error text)`,
    `create index parked_request_open on parked_request (owner, created_at) where answered_at is null`,
    `create index parked_request_row on parked_request (row_id, created_at)`,
    rowSecurity('parked_request'),
  ],
};
