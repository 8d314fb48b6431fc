import type { Migration } from './migration.js';

/** What a pull request that nothing happens to is followed by, seldom and with one request. */
export const quietPullRequests: Migration = {
  name: '0007-quiet-pull-requests',
  statements: () => [
    `alter table pull_request
       add column looked_at timestamptz, add column seen_updated_at timestamptz, add column glance_at timestamptz,
       add column told_at timestamptz, add column untold_at timestamptz`,
    `create index pull_request_untold on pull_request (repository_id, untold_at) where untold_at is not null`,
  ],
};
