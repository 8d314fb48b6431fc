import fc from 'fast-check';
import { SMALL_MIRROR_BYTES, decideMirror, takesAway, type MirrorSight } from './tidy-mirrors.decide.js';

const sight: fc.Arbitrary<MirrorSight> = fc.record({
  repositoryId: fc.uuid(),
  bytes: fc.nat(8 * SMALL_MIRROR_BYTES),
  firstBytes: fc.option(fc.nat(8 * SMALL_MIRROR_BYTES)),
  filled: fc.boolean(),
  wanted: fc.boolean(),
  publishing: fc.boolean(),
});

it('never takes a mirror away that may hold the only copy of an unfinished task’s work', () => {
  fc.assert(fc.property(sight, (mirror) => !(mirror.publishing && takesAway(decideMirror(mirror)))));
});

it('bounds every other one: twice its first size, or 64 MB', () => {
  fc.assert(
    fc.property(sight, (mirror) => {
      const left = decideMirror(mirror);
      if (mirror.publishing || mirror.firstBytes === null || takesAway(left)) return;
      expect(mirror.bytes).toBeLessThanOrEqual(Math.max(SMALL_MIRROR_BYTES, 2 * mirror.firstBytes));
    }),
  );
});

const base: MirrorSight = {
  repositoryId: 'r',
  bytes: 300 * 1_048_576,
  firstBytes: 100 * 1_048_576,
  filled: true,
  wanted: true,
  publishing: false,
};
it.each<readonly [string, Partial<MirrorSight>, string]>([
  ['that has more than doubled is made anew', {}, 'renew'],
  ['that has just doubled stays', { bytes: 200 * 1_048_576 }, 'keep'],
  ['that is small stays, however much it grew', { bytes: SMALL_MIRROR_BYTES, firstBytes: 1 }, 'keep'],
  ['that was filled is measured', { firstBytes: null }, 'measure'],
  ['into which nothing was fetched is not: its first fetch is no growth', { firstBytes: null, filled: false }, 'keep'],
  ['of a repository that is gone goes', { wanted: false, bytes: 1 }, 'remove'],
  ['that publishes stays, whatever else', { wanted: false, publishing: true }, 'keep'],
])('a mirror %s', (_what, more, step) => {
  expect(decideMirror({ ...base, ...more })).toBe(step);
});
