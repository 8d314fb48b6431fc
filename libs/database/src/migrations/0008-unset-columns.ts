import type { Migration } from './migration.js';

/**
 * Columns that nobody ever set, with the partial indexes that therefore held every row. That a run is judged shows in its
 * task, which sweeps go by; what a delivery tells is seen to by several readers, each by rows of its own.
 */
export const unsetColumns: Migration = {
  name: '0008-unset-columns',
  statements: () => [
    `drop index run_unjudged`,
    `alter table run drop column judged_at, drop column published_at`,
    `drop index delivery_open`,
    `alter table delivery drop column handled_at`,
  ],
};
