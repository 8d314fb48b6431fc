import fc from 'fast-check';
import { RUN_STATES, TASK_INTENTS, TASK_STATES, canTransition, type TaskState } from '@capstan/domain';
import { decideAnswer } from './answer-request.decide.js';
import type { RequestSnapshot } from './request-plan.js';

const world = (
  kind: 'message' | 'interrupt' | 'retry' | 'set_limits',
  state: TaskState,
  over: Partial<RequestSnapshot> = {},
): RequestSnapshot => ({
  now: 1_800_000_000_000,
  request: { kind, priority: null },
  task: { state, intent: null, generation: 1, notBefore: null },
  runState: state === 'running' ? 'running' : state === 'provisioning' ? 'leased' : null,
  spent: { costUsd: 0, maxCostUsd: 10 },
  command: null,
  archived: false,
  openDependencies: [],
  pullRequest: null,
  cycle: null,
  ...over,
});
const stopping = (state: TaskState) => ({ state, intent: 'cancel', generation: 1, notBefore: null }) as const;

describe('a message', () => {
  it.each([
    ['waiting', { applied: true, code: 'kept' }],
    ['queued', { applied: true, code: 'kept' }],
    ['provisioning', { applied: false, later: 'say' }],
    ['running', { applied: false, later: 'say' }],
    ['pr_opened', { applied: true, transition: 'sendBack', patch: { runReason: 'message', runNote: null } }],
    ['needs_attention', { applied: true, transition: 'retry', patch: { runReason: 'message' } }],
    ['failed', { applied: true, transition: 'retry', patch: { runReason: 'message' } }],
    ['cancelled', { applied: false, code: 'not_in_this_state' }],
    ['completed', { applied: false, code: 'not_in_this_state' }],
  ] as const)('to a %s task', (state, plan) => {
    expect(decideAnswer(world('message', state))).toMatchObject(plan);
  });

  it('names force-redo where the task is completed', () => {
    expect(decideAnswer(world('message', 'completed')).detail).toContain('force-redo');
  });

  it('goes into the prompt of a run whose agent is not started yet', () => {
    expect(decideAnswer(world('message', 'provisioning', { runState: 'placed' }))).toMatchObject({
      applied: true,
      give: 'current_run',
    });
  });

  it('is waited for while it is being said, and is told as delivered when the agent has it', () => {
    const said = world('message', 'running', { command: { accepted: null } });
    expect(decideAnswer(said)).toMatchObject({ later: 'wait' });
    const had = decideAnswer({ ...said, command: { accepted: true } });
    expect(had).toMatchObject({ applied: true, code: 'delivered', give: 'current_run' });
    expect(had.patch).toBeUndefined();
  });

  it('that the agent can not hear is kept for the next run, in every way in which a run can end', () => {
    const refused = { accepted: false, refusal: 'unsupported' } as const;
    const kept = decideAnswer(world('message', 'running', { command: refused }));
    expect(kept).toMatchObject({ applied: true, code: 'kept', patch: {} });
    expect(kept.give).toBeUndefined();
    for (const command of [refused, { accepted: false, refusal: 'ended' } as const, { accepted: null }]) {
      expect(decideAnswer(world('message', 'running', { command, runState: 'finished' }))).toMatchObject({
        applied: true,
        code: 'kept',
      });
      expect(decideAnswer(world('message', 'pr_opened', { command, runState: 'finished' }))).toMatchObject({
        applied: true,
        transition: 'sendBack',
      });
    }
  });

  it('starts no run that may cost nothing any more, nor one of a task that is being cancelled', () => {
    const spent = { costUsd: 10, maxCostUsd: 10 };
    for (const state of ['pr_opened', 'needs_attention', 'failed'] as const)
      expect(decideAnswer(world('message', state, { spent }))).toMatchObject({ applied: false, code: 'cost_limit' });
    expect(decideAnswer(world('message', 'running', { task: stopping('running') }))).toMatchObject({ applied: false });
  });
});

describe('an interrupt', () => {
  it.each(TASK_STATES.filter((state) => state !== 'running' && state !== 'provisioning'))(
    'of a %s task is refused: no agent is at work',
    (state) => {
      expect(decideAnswer(world('interrupt', state))).toMatchObject({ applied: false, code: 'not_in_this_state' });
    },
  );

  it('is said to an agent at work, and told as what came of it', () => {
    expect(decideAnswer(world('interrupt', 'running'))).toMatchObject({ later: 'say' });
    const told = (command: RequestSnapshot['command']) => decideAnswer(world('interrupt', 'running', { command }));
    expect(told({ accepted: null })).toMatchObject({ later: 'wait' });
    expect(told({ accepted: true })).toMatchObject({ applied: true, code: 'delivered' });
    expect(told({ accepted: false, refusal: 'ended' })).toMatchObject({ applied: false, code: 'not_in_this_state' });
    expect(told({ accepted: false, refusal: 'unsupported' })).toMatchObject({
      applied: false,
      code: 'not_interruptible',
      detail: expect.stringContaining('left alone') as string,
    });
  });

  it('is refused before the agent is started, and while the task is being stopped', () => {
    expect(decideAnswer(world('interrupt', 'provisioning', { runState: 'placed' }))).toMatchObject({ applied: false });
    expect(decideAnswer(world('interrupt', 'running', { task: stopping('running') }))).toMatchObject({
      applied: false,
    });
  });
});

describe('limits', () => {
  it('are set, and given back to the repository', () => {
    const set = world('set_limits', 'needs_attention');
    expect(decideAnswer({ ...set, request: { ...set.request, limits: { maxCostUsd: 20 } } })).toMatchObject({
      applied: true,
      patch: { limits: { maxCostUsd: 20 } },
      detail: expect.stringContaining('maxCostUsd 20') as string,
    });
    expect(decideAnswer({ ...set, request: { ...set.request, limits: null } })).toMatchObject({
      patch: { limits: null },
    });
    expect(decideAnswer(world('set_limits', 'completed'))).toMatchObject({ applied: false });
  });

  it('hold a retry back until there is money again', () => {
    const spent = { costUsd: 10.004, maxCostUsd: 10 };
    const refused = decideAnswer(world('retry', 'needs_attention', { spent }));
    expect(refused).toMatchObject({ applied: false, code: 'cost_limit' });
    expect(refused.detail).toContain('$10.00 of $10.00: raise maxCostUsd');
    expect(decideAnswer(world('retry', 'needs_attention', { spent: { ...spent, maxCostUsd: 11 } }))).toMatchObject({
      applied: true,
      transition: 'retry',
    });
  });
});

it('every answer to every world is legal, and says something', () => {
  const command = fc.option(
    fc.record({
      accepted: fc.constantFrom(true, false, null),
      refusal: fc.constantFrom('unsupported' as const, 'ended' as const, undefined),
    }),
  );
  fc.assert(
    fc.property(
      fc.constantFrom('message' as const, 'interrupt' as const),
      fc.constantFrom(...TASK_STATES),
      fc.option(fc.constantFrom(...TASK_INTENTS)),
      fc.option(fc.constantFrom(...RUN_STATES)),
      command,
      fc.boolean(),
      (kind, state, intent, runState, said, spent) => {
        const plan = decideAnswer(
          world(kind, state, {
            task: { state, intent, generation: 1, notBefore: null },
            runState,
            command: said,
            spent: { costUsd: spent ? 11 : 1, maxCostUsd: 10 },
          }),
        );
        expect(plan.detail).not.toBe('');
        if (plan.transition !== undefined) expect(canTransition(plan.transition, state)).toBe(true);
        // What somebody is at can't be answered, and what is answered isn't said again.
        if (plan.later !== undefined)
          expect(said === null || said.accepted === null || kind === 'interrupt').toBe(true);
        if (plan.later === 'say') expect(said).toBeNull();
        // A person's words are refused, or they are kept; they never vanish.
        if (kind === 'message' && plan.applied)
          expect(plan.patch !== undefined || plan.give === 'current_run').toBe(true);
      },
    ),
  );
});
