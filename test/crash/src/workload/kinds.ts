import type { TaskState } from '@capstan/domain';
import { HOSTILE_KINDS } from '../faults/hostile-kinds.js';

/** What a ticket's agent does, and where its task has to end, whatever happens meanwhile. */
export interface Kind {
  readonly share: number;
  readonly state: TaskState;
  /** Code of the task's attention, where it has one. */
  readonly attention: string | null;
  /** How often its agent has to live. More lives are right only where the adversary took one. */
  readonly runs: number;
  readonly pullRequest: 'merged' | 'open' | 'none';
  readonly everyMs: readonly [number, number];
  /** Only in runs of at least so many tasks; default: in all. */
  readonly fromTasks?: number;
}

const done = { state: 'completed', attention: null, pullRequest: 'merged' } as const;
const quick = [40, 200] as const;

export const KINDS = {
  ...HOSTILE_KINDS,
  green: { ...done, share: 11, runs: 1, everyMs: quick },
  /** Leaves its work uncommitted: Capstan commits it. */
  uncommitted: { ...done, share: 2, runs: 1, everyMs: quick },
  /** The first CI is red; the agent goes back in and mends it. */
  red_then_green: { ...done, share: 4, runs: 2, everyMs: quick },
  slow: { ...done, share: 4, runs: 1, everyMs: [400, 800] },
  /** CI stays red: after three times back in a person is asked. */
  red_for_ever: {
    share: 2,
    runs: 4,
    everyMs: quick,
    ...{ state: 'needs_attention', attention: 'ci_failed', pullRequest: 'open' },
  },
  no_changes: {
    share: 2,
    runs: 1,
    everyMs: quick,
    ...{ state: 'needs_attention', attention: 'no_changes', pullRequest: 'none' },
  },
  exits: { share: 2, runs: 1, everyMs: quick, ...{ state: 'failed', attention: 'agent_exited', pullRequest: 'none' } },
  /** Somebody pushes the same file to the base branch while the agent is at work. */
  conflict: {
    share: 2,
    runs: 1,
    everyMs: quick,
    ...{ state: 'needs_attention', attention: 'merge_conflict', pullRequest: 'open' },
  },
} as const satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as KindName[];
