import { explore, type Exploration } from './explore.js';
import { LAWS, type Laws } from './laws.js';
import type { Size } from './system.js';

/** Three runners, three tasks, two faults: leases, placement, and what people ask. */
const RUNS: Size = { runners: 3, tasks: 3, faults: 2, turns: 1, limit: 2, focus: 'runs' };
/** One task's publication with two faults: every claim, look, act and record by itself. */
const EFFECTS: Size = { runners: 1, tasks: 1, faults: 2, turns: 1, limit: 1, focus: 'effects' };
/** As small as shows what a broken law does. */
const FEW_EFFECTS: Size = { ...EFFECTS, turns: 0 };
const FAULTLESS_EFFECTS: Size = { ...FEW_EFFECTS, faults: 0 };
const FEW_RUNS: Size = { ...RUNS, runners: 2, tasks: 1 };

/** An hour of processor time would be a defect of the model; a busy machine is none. */
const PATIENCE_MS = 600_000;

function told(name: string, explored: Exploration): Exploration {
  const { states, transitions, worlds, settled, counterexample } = explored;
  process.stdout.write(
    `model ${name}: ${states} states, ${transitions} transitions, ${worlds} worlds of a task, ${settled} ends\n` +
      (counterexample === null ? '' : `${counterexample.violation}\n${counterexample.steps.join('\n')}\n`),
  );
  return explored;
}

describe('The model of task, run, lease and effect', () => {
  it(
    'has no state that must not be, and from each an end is reached: three runners, three tasks, two faults',
    () => {
      const explored = told('runs', explore(RUNS));
      expect(explored.counterexample).toBeNull();
      expect(explored.states).toBeGreaterThan(100_000);
      expect(explored.settled).toBeGreaterThan(1);
    },
    PATIENCE_MS,
  );

  it(
    'has none of a publication either, with its requests and answers lost',
    () => {
      const explored = told('effects', explore(EFFECTS));
      expect(explored.counterexample).toBeNull();
      expect(explored.states).toBeGreaterThan(10_000);
    },
    PATIENCE_MS,
  );

  it('is the same each time', () => {
    const size = { ...FEW_RUNS, faults: 1 };
    expect(explore(size)).toEqual(explore(size));
  });
});

describe('The model finds out when a law is missing:', () => {
  it.each<[string, Size, Partial<Laws>, RegExp]>([
    [
      'the fence of a run’s writes',
      FEW_RUNS,
      { mayWriteRun: (run) => run.state !== 'finished' },
      /lease was taken over/,
    ],
    [
      'the epoch’s raise by a takeover',
      FEW_RUNS,
      { leased: (run) => ({ ...LAWS.leased(run), epoch: run.epoch || 1 }) },
      /taken over/,
    ],
    ['one start per run', FEW_RUNS, { launchesOnce: false }, /two agent processes/],
    [
      'the end of a run that was never started',
      FEW_RUNS,
      { stopForbidsStart: false },
      /lives on after its run was judged/,
    ],
    ['the look before an effect is repeated', FEW_EFFECTS, { looks: false }, /comment was made twice/],
    ['the deadline of a request', FEW_EFFECTS, { mayLeave: () => true }, /comment was made twice/],
    [
      'the fence of a claim',
      FEW_EFFECTS,
      { claimHolds: (effect) => effect.state === 'claimed' },
      /was taken over recorded it/,
    ],
    [
      'the wait before a claim is taken over',
      FAULTLESS_EFFECTS,
      { mayClaim: ({ state }) => state === 'requested' || state === 'claimed' },
      /taken over|twice/,
    ],
    [
      'the taking over of what ran out',
      FEW_RUNS,
      { mayLease: (run, how) => run.state === 'placed' && LAWS.mayLease(run, how) },
      /leads to an end/,
    ],
    ['the taking over of a claim', FEW_EFFECTS, { mayClaim: ({ state }) => state === 'requested' }, /leads to an end/],
  ])(
    '%s',
    (_, size, broken, violation) => {
      const { counterexample } = explore(size, broken);
      expect(counterexample?.violation).toMatch(violation);
      expect(counterexample!.steps[0]).toMatch(/^1\. scheduler: places task 1$/);
    },
    PATIENCE_MS,
  );
});
