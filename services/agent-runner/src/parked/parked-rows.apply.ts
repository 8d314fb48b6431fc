import type { RunOutcome } from '@capstan/domain';
import { runChanged, runFinished, runStart } from '@capstan/events';
import type { Run } from '@capstan/database';
import type { Runtime } from '@capstan/runtimes';
import type { ParkedVerb, ParkedVerbs } from '@capstan/service-kit';
import { forbidStart } from './forbid-start.js';

export interface ParkedRunPorts {
  /** Wakes a runner for one. */
  readonly lease: (runId: string) => Promise<void>;
  readonly runtime: () => Runtime;
}

/** Runs that could not be driven. */
export function parkedVerbs({ lease, runtime }: ParkedRunPorts): ParkedVerbs {
  return { run: { ...parkedRun(runtime), wake: ({ id }: Run) => lease(id) } satisfies ParkedVerb<Run> };
}

const parkedRun = (runtime: () => Runtime): ParkedVerb<Run> => ({
  replay: async (tx, { workspaceId, taskId, id }) => {
    // What is left of a lease would only be waited for.
    await tx.query(`update run set lease_expires_at = clock_timestamp(), version = version + 1 where id = $1`, [id]);
    await tx.emit(runStart, { workspaceId, taskId, runId: id });
    return 'A runner takes it up again';
  },
  /**
   * Ended, so that its slot is free. Where the agent was launched nobody can say that it is gone, nor where its pod can't
   * be told never to start it: then the run is fenced, which keeps everything of it from being published, and has its pod
   * replaced.
   */
  drop: async (tx, run, { words }) => {
    const launched = run.launchedAt !== null || run.state === 'running';
    const fenced = launched || !(await forbidStart(tx, runtime(), run));
    const outcome: RunOutcome = { kind: 'failed', detail: words, symptom: 'dropped' };
    const [ended] = await tx.query<Run>(
      `update run set state = 'finished', outcome = $2, epoch = epoch + 1, owner = null, lease_expires_at = null,
              parked_at = null, finished_at = clock_timestamp(), version = version + 1,
              fenced_at = case when $3 then clock_timestamp() end
        where id = $1 and state <> 'finished' returning *`,
      [run.id, outcome, fenced],
    );
    if (ended === undefined) return 'The run had ended already';
    const { workspaceId, taskId, repositoryId, version } = ended;
    await tx.emit(runChanged, { workspaceId, taskId, runId: run.id, state: 'finished', version });
    await tx.emit(runFinished, { workspaceId, taskId, runId: run.id, repositoryId });
    return fenced
      ? 'The run is ended and fenced: nothing of it is published, and its pod is replaced'
      : 'The run is ended, and its slot is free';
  },
});
