import {
  costLimitReached,
  type RunLimits,
  type RunState,
  type TaskIntent,
  type TaskRequestKind,
  type TaskState,
  type TransitionName,
} from '@capstan/domain';
import type { RunCommandAnswerJson, TaskPatch } from '@capstan/database';

/** What the answer to a request rests on, read in one transaction. */
export interface RequestSnapshot {
  /** Unix ms by the database's clock. */
  readonly now: number;
  readonly request: {
    readonly kind: TaskRequestKind;
    readonly priority: number | null;
    /** For `set_limits`: all that the task has of its own from now on. */
    readonly limits?: Partial<RunLimits> | null;
  };
  readonly task: {
    readonly state: TaskState;
    readonly intent: TaskIntent | null;
    readonly generation: number;
    readonly notBefore: number | null;
  };
  readonly runState: RunState | null;
  /** US dollars over all runs of the task, and how many they may be. */
  readonly spent: { readonly costUsd: number; readonly maxCostUsd: number };
  /** What came of saying it to the agent; `accepted` is null while nobody knows. Null: it wasn't tried. */
  readonly command: {
    readonly accepted: boolean | null;
    readonly refusal?: RunCommandAnswerJson['refusal'] | undefined;
  } | null;
  /** Its repository was removed: nothing can be published there. */
  readonly archived: boolean;
  /** Short ids of dependencies that have not completed, with their states. */
  readonly openDependencies: readonly { readonly shortId: string; readonly state: TaskState }[];
  /** The pull request of the task's generation, when it has a number at the forge. */
  readonly pullRequest: { readonly open: boolean } | null;
  /** For `set_dependencies`: ids from the task back to itself, or null. */
  readonly cycle: readonly string[] | null;
}

/** Answer codes that clients may rely on. */
export type AnswerCode =
  | 'applied'
  | 'stopping'
  | 'already_stopping'
  | 'not_in_this_state'
  | 'no_pull_request'
  | 'dependency_cycle'
  | 'new_task'
  | 'cost_limit'
  | 'delivered'
  | 'kept'
  | 'not_interruptible'
  | 'pending';

export interface RequestPlan {
  readonly applied: boolean;
  readonly code: AnswerCode;
  readonly detail: string;
  readonly transition?: TransitionName;
  readonly patch?: TaskPatch;
  /** The run's driver is told to end it. */
  readonly stopRun?: boolean;
  /** The open pull request is closed with a comment. */
  readonly closePullRequest?: boolean;
  readonly checkPullRequest?: boolean;
  readonly replaceDependencies?: boolean;
  /** A completed task stays as it is; a new one, linked to it, does the work again. */
  readonly linkedTask?: boolean;
  /** The message is the present run's; without it, that of the task's next run. */
  readonly give?: 'current_run';
  /** No answer yet: it is to be said to the agent first, or somebody is at it. */
  readonly later?: 'say' | 'wait';
}

/** A person's fresh start: attempts and reasons are forgotten, the work isn't. */
export const FRESH: TaskPatch = {
  retries: 0,
  ciResumes: 0,
  notBefore: null,
  attention: null,
  waiting: null,
  endedAt: null,
  agentUnconfirmed: false,
};

/** Why an ended or halted task may not be queued again now; null when it may. */
export function obstacle({ task, archived, openDependencies }: RequestSnapshot): RequestPlan | null {
  if (archived)
    return refuse('not_in_this_state', 'Its repository was removed; add it again, then create the task anew');
  const [open] = openDependencies;
  if (open === undefined || task.state === 'completed') return null;
  return refuse(
    'not_in_this_state',
    `It depends on task ${open.shortId}, which is ${open.state}: complete that one first, or remove the dependency`,
  );
}

/** Refuses what would start a run that may cost nothing any more; null while there is money left. */
export function withMoney({ spent }: RequestSnapshot): RequestPlan | null {
  if (!costLimitReached(spent.costUsd, spent.maxCostUsd)) return null;
  return refuse(
    'cost_limit',
    `The task has cost $${spent.costUsd.toFixed(2)} of $${spent.maxCostUsd.toFixed(2)}: raise maxCostUsd first, then resume`,
  );
}

export function refuse(code: AnswerCode, detail: string): RequestPlan {
  return { applied: false, code, detail };
}
