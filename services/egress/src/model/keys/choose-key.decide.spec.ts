import fc from 'fast-check';
import { chooseKey, type KeyState } from './choose-key.decide.js';

const key = (over: Partial<KeyState> = {}): KeyState => ({
  pausedUntil: 0,
  refusedNow: false,
  refusedLately: false,
  ...over,
});
const choose = (...keys: KeyState[]) => chooseKey(keys, 1_000, 1_000, 60_000);

it.each([
  ['the first that is free', [key(), key()], { kind: 'use', index: 0 }],
  ['past one at its limit', [key({ pausedUntil: 2_000 }), key()], { kind: 'use', index: 1 }],
  ['one whose limit has just ended', [key({ pausedUntil: 1_000 })], { kind: 'use', index: 0 }],
  ['one that was refused lately last', [key({ refusedLately: true }), key()], { kind: 'use', index: 1 }],
  ['one that was refused lately rather than none', [key({ refusedLately: true })], { kind: 'use', index: 0 }],
  ['to wait for the earliest', [key({ pausedUntil: 9_000 }), key({ pausedUntil: 3_000 })], { kind: 'wait', ms: 2_000 }],
  ['not to wait too long', [key({ pausedUntil: 61_001 })], { kind: 'none', freeAt: 61_001 }],
  ['none where all were refused', [key({ refusedNow: true })], { kind: 'none', freeAt: null }],
  ['none where there is none', [], { kind: 'none', freeAt: null }],
  [
    'to wait for the other than the refused',
    [key({ refusedNow: true }), key({ pausedUntil: 5_000 })],
    { kind: 'wait', ms: 4_000 },
  ],
])('chooses %s', (_what, keys, choice) => {
  expect(choose(...keys)).toEqual(choice);
});

it('never uses a key that is at its limit or refused, and waits no longer than it is patient', () => {
  const state = fc.record({ pausedUntil: fc.nat(200_000), refusedNow: fc.boolean(), refusedLately: fc.boolean() });
  fc.assert(
    fc.property(fc.array(state, { maxLength: 9 }), fc.nat(100_000), fc.nat(100_000), (keys, startedAt, passed) => {
      const now = startedAt + passed;
      const choice = chooseKey(keys, now, startedAt, 60_000);
      if (choice.kind === 'use') expect(keys[choice.index]).toMatchObject({ refusedNow: false });
      if (choice.kind === 'use') expect(keys[choice.index]!.pausedUntil).toBeLessThanOrEqual(now);
      if (choice.kind === 'wait') expect(now + choice.ms).toBeLessThanOrEqual(startedAt + 60_000);
      if (choice.kind !== 'use') expect(keys.some((each) => !each.refusedNow && each.pausedUntil <= now)).toBe(false);
    }),
  );
});
