import { canTransition, unreachable, type RunState, type TaskIntent, type TaskState } from '@capstan/domain';
import type { TaskDetail } from '@capstan/api';

/** What the allowance of an action rests on. */
export interface Actionable {
  readonly state: TaskState;
  readonly intent: TaskIntent | null;
  /** Of its current run. */
  readonly runState: RunState | null;
  /** It waits out a back-off. */
  readonly backingOff: boolean;
  /** It has a pull request at the forge. */
  readonly pullRequest: boolean;
}

type Action = TaskDetail['actions'][number];

/**
 * Which actions make sense right now, and why the others don't. Advice for buttons: the scheduler decides when it is
 * asked, on what stands then.
 */
export function actionsOf(task: Actionable): Action[] {
  const { state, intent } = task;
  const under = (wanted: TaskIntent) => (intent === wanted ? `It is under way: ${wanted}` : null);
  const cancel = canTransition('cancel', state) ? null : `The task is ${words(state)}`;
  return [
    action('message', messageRefusal(task)),
    action('interrupt', interruptRefusal(task)),
    action('cancel', under('cancel') ?? cancel),
    action('retry', retryRefusal(task)),
    action('force_restart', under('restart') ?? startOverRefusal(state, false)),
    action('force_redo', under('redo') ?? startOverRefusal(state, true)),
    action('check_now', task.pullRequest ? null : 'There is no pull request yet'),
  ];
}

function messageRefusal({ state, intent }: Actionable): string | null {
  if (state === 'completed') return 'The task is completed; force-redo does the work again';
  if (state === 'cancelled') return 'The task is cancelled: retry it first, then write to it';
  return intent === 'cancel' ? 'The task is being cancelled' : null;
}

function interruptRefusal({ state, intent, runState }: Actionable): string | null {
  if (intent !== null) return 'The agent is being stopped already';
  const atWork = (state === 'provisioning' || state === 'running') && (runState === 'leased' || runState === 'running');
  return atWork ? null : `No agent is at work: the task is ${words(state)}`;
}

function retryRefusal({ state, backingOff }: Actionable): string | null {
  if (canTransition('retry', state) || (state === 'queued' && backingOff)) return null;
  return `A task that is ${words(state)} can't be retried`;
}

function startOverRefusal(state: TaskState, redo: boolean): string | null {
  switch (state) {
    case 'waiting':
    case 'queued':
      return `The task is ${words(state)}: there is nothing to start over`;
    case 'completed':
      return redo ? null : 'A completed task is not restarted; redo it as a new one';
    case 'provisioning':
    case 'running':
    case 'pr_opened':
    case 'needs_attention':
    case 'failed':
    case 'cancelled':
      return null;
    default:
      return unreachable(state);
  }
}

function action(kind: Action['kind'], reason: string | null): Action {
  return { kind, allowed: reason === null, reason };
}

function words(state: TaskState): string {
  return state.replaceAll('_', ' ');
}
