import fc from 'fast-check';
import {
  RUN_STATES,
  TASK_INTENTS,
  TASK_REQUEST_KINDS,
  TASK_STATES,
  canTransition,
  type TaskState,
} from '@capstan/domain';
import { decideAnswer } from './answer-request.decide.js';
import type { RequestSnapshot } from './request-plan.js';

const ask = (
  kind: RequestSnapshot['request']['kind'],
  state: TaskState,
  over: Partial<RequestSnapshot> = {},
): RequestSnapshot => ({
  now: 1_800_000_000_000,
  request: { kind, priority: 5 },
  task: { state, intent: null, generation: 1, notBefore: null },
  runState: state === 'running' ? 'running' : state === 'provisioning' ? 'placed' : null,
  spent: { costUsd: 0, maxCostUsd: 10 },
  command: null,
  archived: false,
  openDependencies: [],
  pullRequest: null,
  cycle: null,
  ...over,
});

describe('decideAnswer', () => {
  it.each([
    ['cancel', 'waiting', 'cancel'],
    ['cancel', 'queued', 'cancel'],
    ['cancel', 'pr_opened', 'cancel'],
    ['cancel', 'needs_attention', 'cancel'],
    ['retry', 'failed', 'retry'],
    ['retry', 'cancelled', 'retry'],
    ['retry', 'needs_attention', 'retry'],
    ['force_restart', 'pr_opened', 'sendBack'],
    ['force_redo', 'pr_opened', 'sendBack'],
    ['force_redo', 'failed', 'retry'],
  ] as const)('%s of a %s task is %s', (kind, state, transition) => {
    expect(decideAnswer(ask(kind, state))).toMatchObject({ applied: true, transition });
  });

  it('says of a cancelled task that its pull request stays open', () => {
    const plan = decideAnswer(ask('cancel', 'pr_opened', { pullRequest: { open: true } }));
    expect(plan).toMatchObject({ applied: true, detail: expect.stringContaining('stays open') as string });
    expect(plan.closePullRequest).toBeUndefined();
  });

  it.each([
    ['cancel', 'provisioning'],
    ['cancel', 'running'],
    ['force_restart', 'running'],
    ['force_redo', 'running'],
  ] as const)('%s of a %s task becomes an intent, for the agent is alive', (kind, state) => {
    const plan = decideAnswer(ask(kind, state));
    expect(plan).toMatchObject({ applied: true, code: 'stopping', stopRun: true });
    expect(plan.transition).toBeUndefined();
  });

  it.each([
    ['cancel', 'failed'],
    ['cancel', 'completed'],
    ['retry', 'running'],
    ['retry', 'queued'],
    ['force_restart', 'completed'],
    ['force_restart', 'queued'],
    ['check_now', 'queued'],
    ['reprioritize', 'completed'],
    ['set_dependencies', 'running'],
  ] as const)('%s of a %s task is refused with a reason', (kind, state) => {
    const plan = decideAnswer(ask(kind, state));
    expect(plan.applied).toBe(false);
    expect(plan.detail.length).toBeGreaterThan(10);
  });

  it('redoes a completed task as a new one', () => {
    expect(decideAnswer(ask('force_redo', 'completed'))).toMatchObject({ applied: true, linkedTask: true });
  });

  it('closes the open pull request on a redo, and only then', () => {
    const open = { pullRequest: { open: true } };
    expect(decideAnswer(ask('force_redo', 'pr_opened', open)).closePullRequest).toBe(true);
    expect(decideAnswer(ask('force_restart', 'pr_opened', open)).closePullRequest).toBeUndefined();
  });

  it('names the cycle that it refuses', () => {
    const plan = decideAnswer(ask('set_dependencies', 'waiting', { cycle: ['aaaaaaaa', 'bbbbbbbb', 'aaaaaaaa'] }));
    expect(plan).toMatchObject({
      applied: false,
      code: 'dependency_cycle',
      detail: expect.stringContaining('aaaaaaaa → bbbbbbbb → aaaaaaaa'),
    });
  });

  it('never plans an illegal transition', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...TASK_REQUEST_KINDS),
        fc.constantFrom(...TASK_STATES),
        fc.option(fc.constantFrom(...RUN_STATES)),
        fc.option(fc.constantFrom(...TASK_INTENTS)),
        (kind, state, runState, intent) => {
          const plan = decideAnswer(
            ask(kind, state, { runState, task: { state, intent, generation: 1, notBefore: 1 } }),
          );
          if (plan.transition !== undefined) expect(canTransition(plan.transition, state)).toBe(true);
        },
      ),
    );
  });
});
