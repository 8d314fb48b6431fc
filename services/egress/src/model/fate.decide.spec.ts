import { fateOf } from './fate.decide.js';

it.each([
  [200, 'passes', 'passes'],
  [400, 'passes', 'passes'],
  [401, 'refused', 'refused'],
  [403, 'refused', 'refused'],
  [404, 'passes', 'passes'],
  [429, 'limited', 'limited'],
  [500, 'passes', 'passes'],
  [502, 'passes', 'passes'],
  [503, 'passes', 'overloaded'],
  [529, 'limited', 'overloaded'],
])('an answer %d of the only provider %s, of one among several %s', (status, alone, amongOthers) => {
  expect([fateOf(status, false), fateOf(status, true)]).toEqual([alone, amongOthers]);
});
