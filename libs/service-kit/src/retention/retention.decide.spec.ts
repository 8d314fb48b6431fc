import { ENDED_STATES, TASK_STATES, type TaskState } from '@capstan/domain';
import fc from 'fast-check';
import { LARGEST_BITE, LONGEST_BITE_MS, decideRetention, nextBite, type RetentionRow } from './retention.decide.js';

const DAY_MS = 86_400_000;
const OPEN = TASK_STATES.filter((state) => !(ENDED_STATES as readonly TaskState[]).includes(state));

const row: fc.Arbitrary<RetentionRow> = fc.record({
  agedMs: fc.option(fc.double({ min: -DAY_MS, max: 400 * DAY_MS, noNaN: true })),
  held: fc.boolean(),
  taskState: fc.option(fc.constantFrom(...TASK_STATES)),
  latest: fc.boolean(),
});
const keepMs = fc.integer({ min: 1, max: 400 }).map((days) => days * DAY_MS);

describe('decideRetention', () => {
  it('never takes what an unfinished task, a person or anything at work still needs', () => {
    fc.assert(
      fc.property(fc.array(row), keepMs, (rows, keep) => {
        for (const gone of decideRetention(rows, keep)) {
          expect(OPEN).not.toContain(gone.taskState);
          expect(gone).toMatchObject({ held: false, latest: false });
          expect(gone.agedMs).toBeGreaterThanOrEqual(keep);
        }
      }),
    );
  });

  it('takes everything else, so that nothing stays for ever', () => {
    fc.assert(
      fc.property(fc.array(row), keepMs, (rows, keep) => {
        const gone = new Set(decideRetention(rows, keep));
        for (const kept of rows.filter((each) => !gone.has(each)))
          expect(
            kept.agedMs === null ||
              kept.agedMs < keep ||
              kept.held ||
              kept.latest ||
              OPEN.includes(kept.taskState as never),
          ).toBe(true);
      }),
    );
  });

  it.each(TASK_STATES.map((state) => [state, ENDED_STATES.includes(state as never)] as const))(
    'an old row of a task that is %s may go: %s',
    (taskState, goes) => {
      const old: RetentionRow = { agedMs: 31 * DAY_MS, held: false, taskState, latest: false };
      expect(decideRetention([old], 30 * DAY_MS)).toHaveLength(goes ? 1 : 0);
    },
  );
});

describe('nextBite', () => {
  it('stays within its bounds, shrinks after a slow bite and grows after a quick one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: LARGEST_BITE }),
        fc.double({ min: 0, max: 60_000, noNaN: true }),
        (size, ms) => {
          const next = nextBite(size, ms);
          expect(next).toBeGreaterThanOrEqual(1);
          expect(next).toBeLessThanOrEqual(LARGEST_BITE);
          if (ms > LONGEST_BITE_MS && size > 1) expect(next).toBeLessThan(size);
          if (ms < LONGEST_BITE_MS / 2 && size < LARGEST_BITE) expect(next).toBeGreaterThan(size);
        },
      ),
    );
  });
});
