import type { Migration } from './migration.js';

/** When the lease that a run is under was taken: whoever takes it over sees whether the run came on under it. */
export const leaseBegan: Migration = {
  name: '0006-lease-began',
  statements: () => [`alter table run add column lease_began_at timestamptz`],
};
