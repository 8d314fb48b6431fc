import type { Migration } from './migration.js';
import { spine } from './0001-spine.js';
import { parkedRows } from './0002-parked-rows.js';
import { retention } from './0003-retention.js';
import { runControl } from './0004-run-control.js';
import { tenantBound } from './0005-tenant-bound.js';
import { leaseBegan } from './0006-lease-began.js';
import { quietPullRequests } from './0007-quiet-pull-requests.js';
import { unsetColumns } from './0008-unset-columns.js';
import { parkedTicketSources } from './0009-parked-ticket-sources.js';
import { egress } from './0010-egress.js';
import { credentialCheck } from './0011-credential-check.js';
import { isolationReason } from './0012-isolation-reason.js';
import { gitDoor } from './0013-git-door.js';
import { ownKeys } from './0014-own-keys.js';
import { forgeApp } from './0015-forge-app.js';
import { agents } from './0016-agents.js';
import { limitedKeys } from './0017-limited-keys.js';

/** Every migration, oldest first. */
export const MIGRATIONS: readonly Migration[] = [
  spine,
  parkedRows,
  retention,
  runControl,
  tenantBound,
  leaseBegan,
  quietPullRequests,
  unsetColumns,
  parkedTicketSources,
  egress,
  credentialCheck,
  isolationReason,
  gitDoor,
  ownKeys,
  forgeApp,
  agents,
  limitedKeys,
];
/** The schema that this build needs. */
export const LATEST_MIGRATION = MIGRATIONS.at(-1)!.name;
