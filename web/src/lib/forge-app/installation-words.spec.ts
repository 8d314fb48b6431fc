import { expect, it } from 'vitest';
import { stateOf } from './installation-words.ts';

const installation = { account: 'acme', allRepositories: true, suspended: false, missing: [], settingsUrl: '' };

it('says how an installation stands and what helps', () => {
  expect(stateOf(installation)).toEqual({ isGood: true, words: 'ready' });
  expect(stateOf({ ...installation, suspended: true })).toMatchObject({ isGood: false, words: 'suspended' });
  expect(stateOf({ ...installation, missing: ['Checks: Read and write'] })).toMatchObject({
    words: 'lacks Checks: Read and write',
    remedy: expect.stringContaining('an owner of acme accepts it') as string,
  });
});
