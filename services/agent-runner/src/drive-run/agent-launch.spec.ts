import { TransientError, UserError } from '@capstan/domain';
import { isPrepareGivenUp, prepareFailure } from './agent-launch.js';

it.each([
  ['fetch_refused', 'credential_refused', new UserError('the forge said 403', { code: 'fetch_refused' })],
  ['prepare_failed', 'failed', new UserError('the repository has no branch main', { code: 'base_branch_missing' })],
  ['prepare_failed', 'failed', new TransientError('no route to host', { code: 'fetch_failed' })],
])('a worktree that can not be had ends the run as %s', (symptom, kind, error) => {
  expect(prepareFailure(error)).toEqual({
    kind,
    symptom,
    detail: `The worktree could not be prepared: ${error.message}`,
  });
});

it.each([
  ['never for a refusal', new UserError('no', { code: 'fetch_refused' }), 1, 0, true],
  ['for two minutes while the forge is away', new TransientError('503', { code: 'fetch_failed' }), 40, 119_000, false],
  ['no longer than that', new TransientError('503', { code: 'fetch_failed' }), 41, 120_000, true],
  ['twice more for what the pod says', new TransientError('locked', { code: 'locked' }), 2, 1_000, false],
  ['and then no more', new TransientError('locked', { code: 'locked' }), 3, 2_000, true],
])('a preparation is tried again: %s', (_when, error, attempt, elapsedMs, givenUp) => {
  expect(isPrepareGivenUp(error, attempt, elapsedMs)).toBe(givenUp);
});
