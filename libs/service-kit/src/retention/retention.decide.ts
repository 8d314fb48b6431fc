import { isEnded, type TaskState } from '@capstan/domain';

/** What is known of a row that has had its time. */
export interface RetentionRow {
  /** For how long nothing that goes on has had a use for it; null while it is at work. ms */
  readonly agedMs: number | null;
  /** Something still has it: it is parked for a person, or locked. */
  readonly held: boolean;
  /** State of the task that it belongs to; null where it belongs to none. */
  readonly taskState: TaskState | null;
  /** The latest of its kind, which people are shown. */
  readonly latest: boolean;
}

/** The rows that may go: old enough, held by nobody, and of no task that goes on. */
export function decideRetention<Row extends RetentionRow>(rows: readonly Row[], keepMs: number): readonly Row[] {
  return rows.filter(
    ({ agedMs, held, taskState, latest }) =>
      agedMs !== null && agedMs >= keepMs && !held && !latest && (taskState === null || isEnded(taskState)),
  );
}

/** Rows of one bite, at first and at most. */
export const FIRST_BITE = 100;
export const LARGEST_BITE = 500;
/** How long the transaction of a bite should take at most. ms */
export const LONGEST_BITE_MS = 50;

/** How many rows the next bite takes: large rows make it small, so that nobody waits for its locks. */
export function nextBite(size: number, tookMs: number): number {
  if (tookMs > LONGEST_BITE_MS) return Math.max(1, Math.floor(size / 2));
  return tookMs < LONGEST_BITE_MS / 2 ? Math.min(LARGEST_BITE, size * 2) : size;
}
