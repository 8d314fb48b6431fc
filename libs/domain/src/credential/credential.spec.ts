import { CHECKED_STATES, isConclusive, weightiest } from './credential.js';

const check = (state: (typeof CHECKED_STATES)[number], at = 0) => ({ state, at });

it('shows of several checks the one that a person has to see', () => {
  const order = ['refused', 'expired', 'scope_too_narrow', 'inconclusive', 'unchecked', 'valid'] as const;
  expect([...order].sort()).toEqual([...CHECKED_STATES].sort());
  for (const [index, state] of order.entries())
    expect(weightiest([...order.slice(index)].reverse().map((each) => check(each)))?.state).toBe(state);
  expect(weightiest([check('valid', 1), check('valid', 2)])?.at).toBe(1);
  expect(weightiest([])).toBeUndefined();
});

it('takes for conclusive what says something of the credential', () => {
  expect(CHECKED_STATES.filter(isConclusive)).toEqual(['valid', 'expired', 'scope_too_narrow', 'refused']);
});
