import { TASK_STATES, type TaskState } from '@capstan/domain';
import { actionsOf } from './task-actions.js';

const allowed = (state: TaskState, over: Partial<Parameters<typeof actionsOf>[0]> = {}) =>
  actionsOf({ state, intent: null, backingOff: false, pullRequest: false, runState: null, ...over })
    .filter((action) => action.allowed)
    .map(({ kind }) => kind);

describe('actionsOf', () => {
  it.each<[TaskState, string[]]>([
    ['waiting', ['message', 'cancel']],
    ['queued', ['message', 'cancel']],
    ['provisioning', ['message', 'cancel', 'force_restart', 'force_redo']],
    ['running', ['message', 'cancel', 'force_restart', 'force_redo']],
    ['pr_opened', ['message', 'cancel', 'force_restart', 'force_redo']],
    ['needs_attention', ['message', 'cancel', 'retry', 'force_restart', 'force_redo']],
    ['failed', ['message', 'retry', 'force_restart', 'force_redo']],
    ['cancelled', ['retry', 'force_restart', 'force_redo']],
    ['completed', ['force_redo']],
  ])('of a %s task', (state, kinds) => {
    expect(allowed(state)).toEqual(kinds);
    expect(allowed(state, { pullRequest: true })).toEqual([...kinds, 'check_now']);
  });

  it('let a back-off be cut short, and nothing be asked twice', () => {
    expect(allowed('queued', { backingOff: true })).toEqual(['message', 'cancel', 'retry']);
    expect(allowed('running', { intent: 'cancel' })).toEqual(['force_restart', 'force_redo']);
  });

  it('let an agent be interrupted while one is at work', () => {
    for (const runState of ['leased', 'running'] as const)
      expect(allowed('running', { runState })).toContain('interrupt');
    for (const runState of ['placed', 'finished', null] as const)
      expect(allowed('running', { runState })).not.toContain('interrupt');
    expect(allowed('running', { runState: 'running', intent: 'restart' })).not.toContain('interrupt');
  });

  it('give a reason for every refusal', () => {
    for (const state of TASK_STATES)
      for (const { allowed: may, reason } of actionsOf({
        state,
        intent: null,
        backingOff: false,
        pullRequest: false,
        runState: null,
      }))
        expect(may ? reason === null : (reason?.length ?? 0) > 10).toBe(true);
  });
});
