import type { Migration } from './migration.js';

/** Until when a run's calls find every key at its limit: its agent is ended and its task waits, for a program would wait in its place. */
export const limitedKeys: Migration = {
  name: '0017-limited-keys',
  statements: () => [`alter table model_use add column limited_until timestamptz`],
};
