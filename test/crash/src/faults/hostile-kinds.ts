import type { Kind } from '../workload/kinds.js';

const done = { state: 'completed', attention: null, pullRequest: 'merged', runs: 1, everyMs: [40, 200] } as const;
const limited = { ...done, state: 'needs_attention', attention: 'run_log_limit', pullRequest: 'none' } as const;

/** Agents that do what no agent should, and where their tasks have to end all the same. */
export const HOSTILE_KINDS = {
  /** It and its child hear no signal that can be ignored; somebody cancels the task. */
  ignores_signals: { ...done, state: 'cancelled', pullRequest: 'none', share: 1 },
  /** Two daemons of other sessions outlive it by far, one with its output in hand. */
  forks_daemons: { ...done, share: 1 },
  /** 5 MB in one line. */
  prints_long_line: { ...done, share: 1 },
  prints_broken_text: { ...done, share: 1 },
  /** 300 MB, of which a journal holds 256. */
  floods: { ...limited, share: 1, fromTasks: 100 },
  /** The disk of its journal is full. */
  fills_disk: { ...limited, share: 1 },
} as const satisfies Readonly<Record<string, Kind>>;
