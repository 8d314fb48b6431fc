import {
  isEnded,
  unreachable,
  type RunState,
  type TaskIntent,
  type TaskRequestKind,
  type TaskState,
  type TransitionName,
} from '@capstan/domain';
import type { TaskPatch } from '@capstan/database';

export interface RequestSnapshot {
  /** Unix ms by the database's clock. */
  readonly now: number;
  readonly request: { readonly kind: TaskRequestKind; readonly priority: number | null };
  readonly task: {
    readonly state: TaskState;
    readonly intent: TaskIntent | null;
    readonly generation: number;
    readonly notBefore: number | null;
  };
  readonly runState: RunState | null;
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
  | 'new_task';

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
}

/** A person's fresh start: attempts and reasons are forgotten, the work isn't. */
const FRESH: TaskPatch = {
  retries: 0,
  ciResumes: 0,
  notBefore: null,
  attention: null,
  waiting: null,
  endedAt: null,
  agentUnconfirmed: false,
};

/** What a request does to its task now. Everything refused says why, in words for the person who asked. */
export function decideAnswer(snapshot: RequestSnapshot): RequestPlan {
  const { request } = snapshot;
  switch (request.kind) {
    case 'cancel':
      return decideCancel(snapshot);
    case 'retry':
      return decideRetry(snapshot);
    case 'force_restart':
      return decideAgain(snapshot, 'restart');
    case 'force_redo':
      return decideAgain(snapshot, 'redo');
    case 'check_now':
      return snapshot.pullRequest === null
        ? refuse('no_pull_request', 'This task has no pull request yet')
        : { applied: true, code: 'applied', detail: 'The pull request is being looked at', checkPullRequest: true };
    case 'reprioritize':
      return decidePriority(snapshot);
    case 'set_dependencies':
      return decideDependencies(snapshot);
    default:
      return unreachable(request.kind);
  }
}

function alive({ runState, task }: RequestSnapshot): boolean {
  return (task.state === 'provisioning' || task.state === 'running') && runState !== null && runState !== 'finished';
}

function decideCancel(snapshot: RequestSnapshot): RequestPlan {
  const { task, now } = snapshot;
  if (isEnded(task.state)) return refuse('not_in_this_state', `The task is ${task.state} already`);
  if (alive(snapshot)) return wish(snapshot, 'cancel');
  return {
    applied: true,
    code: 'applied',
    detail:
      snapshot.pullRequest?.open === true
        ? 'Cancelled; its pull request stays open at the forge, and completes the task if somebody merges it'
        : 'Cancelled',
    transition: 'cancel',
    patch: { intent: null, waiting: null, endedAt: new Date(now) },
  };
}

/** Why an ended or halted task may not be queued again now; null when it may. */
function obstacle({ task, archived, openDependencies }: RequestSnapshot): RequestPlan | null {
  if (archived)
    return refuse('not_in_this_state', 'Its repository was removed; add it again, then create the task anew');
  const [open] = openDependencies;
  if (open === undefined || task.state === 'completed') return null;
  return refuse(
    'not_in_this_state',
    `It depends on task ${open.shortId}, which is ${open.state}: complete that one first, or remove the dependency`,
  );
}

function decideRetry(snapshot: RequestSnapshot): RequestPlan {
  const { task } = snapshot;
  switch (task.state) {
    case 'needs_attention':
    case 'failed':
    case 'cancelled':
      return (
        obstacle(snapshot) ?? {
          applied: true,
          code: 'applied',
          detail: 'Queued again on the same branch',
          transition: 'retry',
          patch: { ...FRESH, intent: null, runReason: 'retry' },
        }
      );
    case 'queued':
      return task.notBefore === null
        ? refuse('not_in_this_state', 'The task is queued already')
        : {
            applied: true,
            code: 'applied',
            detail: 'The back-off was cut short',
            patch: { notBefore: null, waiting: null },
          };
    case 'waiting':
    case 'provisioning':
    case 'running':
    case 'pr_opened':
    case 'completed':
      return refuse('not_in_this_state', `A task that is ${task.state} can't be retried`);
    default:
      return unreachable(task.state);
  }
}

function decideAgain(snapshot: RequestSnapshot, intent: 'restart' | 'redo'): RequestPlan {
  const { task, pullRequest } = snapshot;
  const redo = intent === 'redo';
  const patch: TaskPatch = redo
    ? { ...FRESH, intent: null, runReason: 'initial', runNote: null, generation: task.generation + 1, branch: null }
    : { ...FRESH, intent: null, runReason: 'restart', runNote: null };
  const close = redo && pullRequest?.open === true ? { closePullRequest: true } : {};
  const detail = redo ? 'Started over on a new branch' : 'Restarted on the same branch';
  switch (task.state) {
    case 'provisioning':
    case 'running':
      return alive(snapshot)
        ? { ...wish(snapshot, intent), ...close }
        : { applied: true, code: 'applied', detail, transition: 'requeue', patch, ...close };
    case 'pr_opened':
      return { applied: true, code: 'applied', detail, transition: 'sendBack', patch, ...close };
    case 'needs_attention':
    case 'failed':
    case 'cancelled':
      return obstacle(snapshot) ?? { applied: true, code: 'applied', detail, transition: 'retry', patch, ...close };
    case 'completed':
      return redo
        ? (obstacle(snapshot) ?? {
            applied: true,
            code: 'new_task',
            detail: 'A new task does the work again',
            linkedTask: true,
          })
        : refuse('not_in_this_state', 'A completed task is not restarted; redo it as a new one');
    case 'waiting':
    case 'queued':
      return refuse('not_in_this_state', `The task is ${task.state}: there is nothing to start over`);
    default:
      return unreachable(task.state);
  }
}

function decidePriority({ task, request }: RequestSnapshot): RequestPlan {
  if (isEnded(task.state))
    return refuse('not_in_this_state', `The task is ${task.state}: its priority has no meaning any more`);
  if (request.priority === null) return refuse('not_in_this_state', 'No priority was given');
  return {
    applied: true,
    code: 'applied',
    detail: `Priority is ${request.priority} now`,
    patch: { priority: request.priority },
  };
}

/** Those that were halted count too: a retry queues them. */
const BEFORE_QUEUED: readonly TaskState[] = ['waiting', 'needs_attention', 'failed', 'cancelled'];

function decideDependencies({ task, cycle }: RequestSnapshot): RequestPlan {
  if (!BEFORE_QUEUED.includes(task.state))
    return refuse('not_in_this_state', `Dependencies hold before a task is queued; this one is ${task.state}`);
  if (cycle !== null)
    return refuse('dependency_cycle', `That would close a cycle: ${cycle.map((id) => id.slice(-8)).join(' → ')}`);
  return { applied: true, code: 'applied', detail: 'Dependencies are set', replaceDependencies: true };
}

function wish({ task, now }: RequestSnapshot, intent: TaskIntent): RequestPlan {
  if (task.intent === intent)
    return { applied: true, code: 'already_stopping', detail: 'The agent is being stopped already' };
  return {
    applied: true,
    code: 'stopping',
    detail: 'The agent is being stopped',
    patch: { intent, intentAt: new Date(now) },
    stopRun: true,
  };
}

function refuse(code: AnswerCode, detail: string): RequestPlan {
  return { applied: false, code, detail };
}
