import { grouped, violation, type Violation } from '../violation.js';

export const FENCES = 'a run is written by its owner alone, and nobody takes it over without a new epoch';

/** One update of a run's row, as the trace saw it, in the order of their writing. */
export interface RunChange {
  readonly runId: string;
  readonly seq: number;
  readonly owner: readonly [before: string | null, after: string | null];
  readonly epoch: readonly [before: number, after: number];
  readonly state: readonly [before: string, after: string];
  /** Up to which line of the journal its log was written. */
  readonly journalLine: readonly [before: number, after: number];
  readonly logSequence: readonly [before: number, after: number];
}

/**
 * What a fence keeps from happening shows in the row: a runner that was taken over knows an older position than its
 * successor, so what it writes goes back.
 */
export function fences(changes: readonly RunChange[]): Violation[] {
  return [...grouped(changes, ({ runId }) => runId).values()].flatMap((ofRun) =>
    ofRun.flatMap((change) =>
      faultsOf(change).map((fault) => violation(FENCES, `run ${change.runId} ${fault} (trace ${change.seq})`, change)),
    ),
  );
}

function faultsOf({ owner, epoch, state, journalLine, logSequence }: RunChange): string[] {
  const raised = epoch[1] > epoch[0];
  const faults: string[] = [];
  if (epoch[1] < epoch[0]) faults.push(`fell from epoch ${epoch[0]} to ${epoch[1]}`);
  if (owner[1] !== null && owner[1] !== owner[0] && !raised)
    faults.push(`went from ${owner[0] ?? 'nobody'} to ${owner[1]} in the same epoch`);
  if (journalLine[1] < journalLine[0])
    faults.push(`was read up to line ${journalLine[0]}, and somebody wrote that it was ${journalLine[1]}`);
  if (logSequence[1] < logSequence[0])
    faults.push(`had ${logSequence[0]} lines, and somebody wrote that it had ${logSequence[1]}`);
  if (state[0] === 'finished' && state[1] !== 'finished') faults.push(`was finished and is ${state[1]} again`);
  return faults;
}
