import { execFile } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Stage } from '../stage/stage.js';
import { isRunning } from '../stage/processes.js';
import type { PlannedTask } from '../workload/plan.js';
import { readTruth, type AgentTruth } from '../workload/truth.js';
import { keptRun } from './kept-run.js';

/** What is done to hostile agents once they have said what the auditor counts. */
export class HostileCare {
  private readonly seen = new Set<string>();

  constructor(
    private readonly stage: Stage,
    private readonly tasks: readonly PlannedTask[],
    /** Of the agents' truth. */
    private readonly directory: string,
  ) {}

  /** To be called again and again. What can't be done yet is tried again then. */
  async look(): Promise<void> {
    const hostile = this.tasks.filter(({ kind }) => ['ignores_signals', 'fills_disk', 'floods'].includes(kind));
    if (hostile.length === 0) return;
    for (const truth of readTruth(this.directory)) {
      const task = hostile.find(({ name }) => name === truth.name);
      if (task === undefined || this.seen.has(truth.runId) || truth.lines.length < task.script.lines) continue;
      // None of them ever comes to its end by itself.
      this.stage.takenLives.add(truth.runId);
      if (await this.treat(task, truth)) this.seen.add(truth.runId);
    }
  }

  private async treat({ kind, name }: PlannedTask, { runId }: AgentTruth): Promise<boolean> {
    if (kind === 'ignores_signals') return this.cancel(runId);
    if (kind === 'floods') return true;
    const kept = keptRun(this.stage, runId);
    if (kept === null) return false;
    // The file that is written may not grow any more: what a full disk says (EFBIG for ENOSPC), for this run alone, and
    // without being root.
    const { size } = statSync(join(kept.directory, 'journal.ndjson'));
    try {
      await promisify(execFile)('prlimit', ['--pid', String(kept.keeper), `--fsize=${size}`]);
    } catch (error) {
      if (isRunning(kept.keeper)) throw error;
      return false; // killed at this very moment: the run's next keeper is looked for
    }
    writeFileSync(join(this.directory, 'gates', name), '');
    return true;
  }

  private async cancel(runId: string): Promise<boolean> {
    const { rows } = await this.stage.database
      .query<{ id: string }>('select task_id as id from run where id = $1', [runId])
      .catch(() => ({ rows: [] })); // Postgres is away on purpose
    const id = rows[0]?.id;
    if (id === undefined) return false;
    const { status } = await this.stage.call('POST', `/api/tasks/${id}/cancel`, {}, {}, 5_000);
    return status === 200 || status === 202 || status === 409;
  }
}
