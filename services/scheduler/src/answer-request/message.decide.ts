import { unreachable, type TaskState } from '@capstan/domain';
import type { TaskPatch } from '@capstan/database';
import { FRESH, obstacle, refuse, withMoney, type RequestPlan, type RequestSnapshot } from './request-plan.js';

const NEXT_RUN: TaskPatch = { ...FRESH, intent: null, runReason: 'message', runNote: null };

/**
 * What becomes of a person's words. They are kept until a run has them: said to the agent at work when it listens, else
 * given to the task's next run, which is queued for them where nothing else would start it.
 */
export function decideMessage(snapshot: RequestSnapshot): RequestPlan {
  const { task, command } = snapshot;
  if (command?.accepted === true)
    return { applied: true, code: 'delivered', detail: 'The agent has the message', give: 'current_run' };
  switch (task.state) {
    case 'waiting':
    case 'queued':
      return keep('The agent gets the message when it starts');
    case 'provisioning':
    case 'running':
      return atWork(snapshot);
    case 'pr_opened':
      return withMoney(snapshot) ?? again('sendBack', 'The agent goes back in with the message');
    case 'needs_attention':
    case 'failed':
      return obstacle(snapshot) ?? withMoney(snapshot) ?? again('retry', 'Queued again with the message');
    case 'cancelled':
      return refuse('not_in_this_state', 'The task is cancelled: retry it first, then write to it');
    case 'completed':
      return refuse('not_in_this_state', 'The task is completed and takes no message: force-redo does the work again');
    default:
      return unreachable(task.state);
  }
}

/** What becomes of a wish that the agent end its present turn. An agent that can't do that is left alone. */
export function decideInterrupt(snapshot: RequestSnapshot): RequestPlan {
  const { command, runState, task } = snapshot;
  if (command?.accepted === true)
    return { applied: true, code: 'delivered', detail: 'The agent was asked to end its turn' };
  if (command?.refusal === 'unsupported')
    return refuse(
      'not_interruptible',
      'This agent can not be interrupted, and was left alone: cancel or restart the task to stop it',
    );
  if (command !== null && command.accepted === false) return refuse('not_in_this_state', 'The agent had ended already');
  if (task.intent !== null) return refuse('not_in_this_state', `The task is to ${task.intent} already`);
  if (!isAtWork(task.state) || runState === null || runState === 'finished')
    return refuse('not_in_this_state', `No agent is at work: the task is ${task.state.replaceAll('_', ' ')}`);
  if (runState === 'placed') return refuse('not_in_this_state', 'The agent has not been started yet');
  return later(command === null ? 'say' : 'wait');
}

function atWork({ task, runState, command }: RequestSnapshot): RequestPlan {
  if (task.intent === 'cancel') return refuse('not_in_this_state', 'The task is being cancelled');
  const live = task.intent === null && (runState === 'leased' || runState === 'running');
  if (command === null && live) return later('say');
  if (command !== null && command.accepted === null && live) return later('wait');
  if (command?.refusal === 'unsupported' && live)
    return keep('This agent does not listen while it works: it gets the message with a run of its own, after this one');
  // Its prompt is not written yet.
  if (runState === 'placed' && task.intent === null)
    return { applied: true, code: 'kept', detail: 'The agent gets the message when it starts', give: 'current_run' };
  return keep('The agent gets the message with its next run');
}

function keep(detail: string): RequestPlan {
  return { applied: true, code: 'kept', detail, patch: {} };
}

function again(transition: 'sendBack' | 'retry', detail: string): RequestPlan {
  return { applied: true, code: 'applied', detail, transition, patch: NEXT_RUN };
}

function later(what: 'say' | 'wait'): RequestPlan {
  return { applied: false, code: 'pending', detail: 'It is being said to the agent', later: what };
}

function isAtWork(state: TaskState): boolean {
  return state === 'provisioning' || state === 'running';
}
