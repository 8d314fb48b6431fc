import type { Migration } from './migration.js';

/** Why a pod isn't isolated, in the words of the probe that found it: people are to read it where they see the pod. */
export const isolationReason: Migration = {
  name: '0012-isolation-reason',
  statements: () => [`alter table pod add column isolation_reason text`],
};
