import type { Migration } from './migration.js';

/** What old rows are found by, so that a sweep reads no more than it deletes, and the end of a run's log. */
export const retention: Migration = {
  name: '0003-retention',
  statements: () => [
    // Expired first, so that nobody reads half a log; removed once its last line is gone.
    `alter table run add column log_expired_at timestamptz, add column log_removed_at timestamptz,
       add constraint run_log_end check (log_expired_at is null or state = 'finished')`,
    `create index run_log_kept on run (finished_at, id) where state = 'finished' and log_removed_at is null`,
    `create index delivery_age on delivery (received_at)`,
    `create index delivery_latest on delivery (repository_id, received_at desc)`,
    `create index audit_age on audit (at)`,
    `create index idempotency_age on idempotency (created_at)`,
    `create index session_age on session (expires_at)`,
    `create index sign_in_link_age on sign_in_link (expires_at)`,
    `create index sign_in_attempt_age on sign_in_attempt (updated_at)`,
    `create index task_request_age on task_request (answered_at) where answered_at is not null`,
    `create index parked_request_age on parked_request (answered_at) where answered_at is not null`,
    `create index pod_health_event_age on pod_health_event (at)`,
    `create index worktree_age on worktree (removed_at) where removed_at is not null`,
    `create index pod_age on pod (deleted_at) where deleted_at is not null`,
    `create index run_pod on run (pod_id)`,
    `create index worker_age on worker (heartbeat_at)`,
  ],
};
