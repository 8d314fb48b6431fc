import fc from 'fast-check';
import { spentBudget, taskCostUsd, type RunCost } from './cost.js';

const run = (toldUsd: number, countedUsd: number): RunCost => ({ toldUsd, countedUsd });

it.each<readonly [string, readonly RunCost[], number, number, number | null]>([
  ['no run', [], 10, 0, null],
  ['a run that told and counted nothing', [run(0, 0)], 10, 0, null],
  ['what was told alone', [run(3, 0)], 10, 3, null],
  ['what was counted alone', [run(0, 4)], 10, 4, null],
  ['the higher of both', [run(3, 4)], 10, 4, null],
  ['the higher of each run, not of the sums', [run(6, 1), run(1, 6)], 10, 12, 12],
  ['exactly as much as it may', [run(4, 0), run(0, 6)], 10, 10, 10],
  ['a little less', [run(9.99, 0)], 10, 9.99, null],
  ['nothing, where nothing may be spent', [run(0, 0)], 0, 0, null],
  ['something, where nothing may be spent', [run(0, 0.01)], 0, 0.01, 0.01],
])('a task with %s', (_what, runs, max, cost, spent) => {
  expect([taskCostUsd(runs), spentBudget(runs, max)]).toEqual([cost, spent]);
});

it('costs no less than either account says, and never less with a further run', () => {
  const usd = fc.integer({ min: 0, max: 1_000 }).map((cents) => cents / 100);
  const runs = fc.array(fc.record({ toldUsd: usd, countedUsd: usd }), { maxLength: 8 });
  fc.assert(
    fc.property(runs, fc.record({ toldUsd: usd, countedUsd: usd }), (some, further) => {
      const cost = taskCostUsd(some);
      const sum = (of: keyof RunCost) => some.reduce((total, each) => total + each[of], 0);
      expect(cost).toBeGreaterThanOrEqual(Math.max(sum('toldUsd'), sum('countedUsd')) - 1e-9);
      expect(taskCostUsd([...some, further])).toBeGreaterThanOrEqual(cost);
    }),
  );
});
