import { TransientError, errorText, type Id } from '@capstan/domain';
import { clearRow, failRow, type Database } from '@capstan/database';
import type { Logger } from '@capstan/service-kit';
import { applyReport } from './report.apply.js';
import { decideReport } from './report.decide.js';
import { dueReports, readReport } from './report.snapshot.js';

/** Says on tickets how their tasks go: three comments at most, then the close. */
export class Report {
  constructor(
    private readonly database: Database,
    private readonly logger: Logger,
  ) {}

  /** One step on every ticket that may want one. */
  async run(limit: number): Promise<void> {
    for (const { id } of await dueReports(this.database, limit)) {
      try {
        await this.report(id);
        await clearRow(this.database, 'ticket', id);
      } catch (error) {
        if (error instanceof TransientError) throw error;
        await failRow(this.database, 'ticket', id, error);
        this.logger.error({ err: error, ticketId: id }, `a ticket could not be reported on: ${errorText(error)}`);
      }
    }
  }

  private async report(ticketId: Id): Promise<void> {
    const snapshot = await readReport(this.database, ticketId);
    if (snapshot === null) return;
    const step = decideReport(snapshot);
    if (step.kind !== 'nothing') await applyReport(this.database, snapshot, step);
  }
}
