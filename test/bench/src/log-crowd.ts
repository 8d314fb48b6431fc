import { wallMs } from './clock.js';
import { Gate } from './gate.js';
import type { Stage } from './stage.js';

export interface Crowd {
  readonly agents: number;
  readonly lines: number;
  /** From the gate's opening until the last line of the last agent is committed. */
  readonly perSecond: number;
  readonly faults: readonly string[];
}

/** So many agents that print as fast as they can, all from the same moment on, into Postgres. */
export async function crowd(
  stage: Stage,
  { agents, linesEach, directory }: { readonly agents: number; readonly linesEach: number; readonly directory: string },
): Promise<Crowd> {
  const gate = new Gate(directory, 'crowd');
  const repository = await stage.repository('log-crowd', {
    script: 'crowd.sh',
    arguments: [String(linesEach), gate.path],
    maxConcurrentTasks: agents,
    maxAgentsPerPod: agents,
  });
  const taskIds = await Promise.all(
    Array.from({ length: agents }, (_, index) => stage.post(repository, `Crowd ${index}`)),
  );
  await stage.untilRuns(taskIds, 'running');
  const opened = wallMs();
  gate.open();
  await stage.untilFinished(taskIds);
  const [all] = await stage.query<{ last: number }>(
    `select max(extract(epoch from last_line_at))::float8 * 1000 as last from run where task_id = any($1)`,
    [taskIds],
  );
  const lines = agents * linesEach;
  return {
    agents,
    lines,
    perSecond: (lines * 1_000) / (all!.last - opened),
    faults: await faultsOf(stage, taskIds, linesEach),
  };
}

async function faultsOf(stage: Stage, taskIds: readonly string[], linesEach: number): Promise<string[]> {
  const runs = await stage.query<{ lines: number; misplaced: number }>(
    `select count(l.text)::int as lines, count(*) filter (where l.text <> 'line ' || l.place)::int as misplaced
       from run r left join lateral (
         select text, row_number() over (order by sequence) as place from run_log
          where run_id = r.id and text like 'line %') l on true
      where r.task_id = any($1) group by r.id`,
    [taskIds],
  );
  const wrong = runs.filter(({ lines, misplaced }) => lines !== linesEach || misplaced > 0);
  const faults = wrong.map(
    ({ lines, misplaced }) =>
      `${taskIds.length} agents: a run with ${lines} of ${linesEach} lines, ${misplaced} misplaced`,
  );
  return runs.length === taskIds.length ? faults : [...faults, `${runs.length} runs of ${taskIds.length} agents`];
}
