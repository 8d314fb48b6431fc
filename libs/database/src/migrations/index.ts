import type { Migration } from './migration.js';
import { spine } from './0001-spine.js';

/** Every migration, oldest first. */
export const MIGRATIONS: readonly Migration[] = [spine];
/** The schema that this build needs. */
export const LATEST_MIGRATION = MIGRATIONS.at(-1)!.name;
