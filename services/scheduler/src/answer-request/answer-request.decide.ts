import { isEnded, unreachable, type TaskIntent, type TaskState } from '@capstan/domain';
import type { TaskPatch } from '@capstan/database';
import { decideInterrupt, decideMessage } from './message.decide.js';
import { FRESH, obstacle, refuse, withMoney, type RequestPlan, type RequestSnapshot } from './request-plan.js';

export type { RequestPlan, RequestSnapshot } from './request-plan.js';

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
    case 'set_limits':
      return decideLimits(snapshot);
    case 'message':
      return decideMessage(snapshot);
    case 'interrupt':
      return decideInterrupt(snapshot);
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

function decideRetry(snapshot: RequestSnapshot): RequestPlan {
  const { task } = snapshot;
  switch (task.state) {
    case 'needs_attention':
    case 'failed':
    case 'cancelled':
      return (
        obstacle(snapshot) ??
        withMoney(snapshot) ?? {
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
      return withMoney(snapshot) ?? { applied: true, code: 'applied', detail, transition: 'sendBack', patch, ...close };
    case 'needs_attention':
    case 'failed':
    case 'cancelled':
      return (
        obstacle(snapshot) ??
        withMoney(snapshot) ?? { applied: true, code: 'applied', detail, transition: 'retry', patch, ...close }
      );
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

function decideLimits({ task, request }: RequestSnapshot): RequestPlan {
  if (task.state === 'completed') return refuse('not_in_this_state', 'The task is completed: no run of it follows');
  const own = Object.entries(request.limits ?? {}).map(([name, value]) => `${name} ${value}`);
  return {
    applied: true,
    code: 'applied',
    detail:
      own.length === 0
        ? "The repository's limits hold for the task"
        : `Limits of its own: ${own.join(', ')}. Cost counts at once, the others from the next run on`,
    patch: { limits: request.limits ?? null },
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
