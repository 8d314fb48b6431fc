import { errorText } from '@capstan/domain';
import { isDatabaseOutage, type Database } from '@capstan/database';
import type { Logger } from '@capstan/service-kit';
import { writeBatch } from './record.apply.js';
import type { Recorder } from './recorder.js';

/** How often what came together is written. ms */
export const RECORD_EVERY_MS = 1_000;

/**
 * Writes what was recorded since the last time. While Postgres is away it goes on adding up in memory, bounded by the
 * hosts and models of the runs; what can't be written for another reason is dropped, aloud: it is no reason to stop agents.
 */
export async function recordOnce(database: Database, recorder: Recorder, logger: Logger): Promise<void> {
  const batch = recorder.take();
  if (batch === null) return;
  try {
    await writeBatch(database, batch);
    recorder.written();
  } catch (error) {
    if (isDatabaseOutage(error)) {
      recorder.failed();
      throw error;
    }
    recorder.written();
    logger.error(
      { err: error, hosts: batch.hosts.length, models: batch.models.length },
      `a batch of network records can't be written: ${errorText(error)}`,
    );
  }
}
