import type { SymptomCode } from '@capstan/domain';
import type { Database } from '@capstan/database';
import type { Logger } from '@capstan/service-kit';
import { markStalled } from './lease-run.apply.js';

const STALLED: SymptomCode = 'run_stalled';

/** Marks the owner's runs that have said nothing for their `stallMinutes`, and says so once for each. */
export async function tellStalled(database: Database, owner: string, logger: Pick<Logger, 'warn'>): Promise<void> {
  for (const runId of await markStalled(database, owner))
    logger.warn({ runId, code: STALLED }, 'run has said nothing for its stallMinutes');
}
