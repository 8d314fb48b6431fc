import { TransientError, UserError } from '@capstan/domain';
import { prepareFailure } from './agent-launch.js';

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
