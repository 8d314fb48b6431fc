import { isEnded, type PullRequestState, type TaskState } from '@capstan/domain';
import type { AttentionJson } from '@capstan/database';

/** What has to stand when the request leaves: a try may come minutes after the wish. */
export interface MergeSight {
  readonly state: PullRequestState;
  readonly generation: number;
  readonly pushedSha: string | null;
  readonly refusal: AttentionJson | null;
  readonly taskGeneration: number;
  readonly taskState: TaskState;
  /** The task has an intent, or a run that isn't finished. */
  readonly busy: boolean;
  readonly paused: boolean;
  readonly autoMerge: boolean;
}

/** Why this head isn't merged now; null when it is. */
export function whyNotMerge(row: MergeSight, sha: string): string | null {
  if (row.state !== 'open') return `the pull request is ${row.state}`;
  if (row.pushedSha !== sha) return 'Capstan pushed another head by now';
  if (row.paused) return 'the workspace is paused';
  if (!row.autoMerge) return 'merging was switched off';
  if (row.taskGeneration !== row.generation) return 'the task was started anew';
  if (isEnded(row.taskState)) return `the task is ${row.taskState}`;
  if (row.refusal !== null) return `since it was judged: ${row.refusal.code}`;
  return row.busy ? 'the task is being worked on' : null;
}
