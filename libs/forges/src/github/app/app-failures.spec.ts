import { UserError } from '@capstan/domain';
import { githubFailure, type HttpError } from '../failures.js';
import { appFailure } from './app-failures.js';

const NOW_MS = Date.parse('2026-11-22T10:00:00Z');
const app = { slug: 'capstan-acme', secret: 'GITHUB_APP_1_KEY' };

function answered(status: number, message: string, date = '2026-11-22T10:00:01Z'): HttpError {
  const headers = { date: new Date(date).toUTCString() };
  return Object.assign(new Error(message), { name: 'HttpError', status, response: { headers, data: { message } } });
}
const refusal = (error: HttpError, fullName?: string) =>
  appFailure(githubFailure(error, 'ask', NOW_MS), { app, nowMs: NOW_MS, ...(fullName && { fullName }) });

it.each<[string, string, HttpError, object]>([
  [
    'a key that was revoked',
    'acme/app',
    answered(401, 'A JSON web token could not be decoded'),
    {
      name: 'UserError',
      code: 'app_key_refused',
      field: 'GITHUB_APP_1_KEY',
      message: expect.stringMatching(/JSON web/),
    },
  ],
  ['an app that is gone', 'acme/app', answered(404, 'Integration not found'), { code: 'app_key_refused' }],
  [
    'a clock that is ahead',
    'acme/app',
    answered(401, "'Issued at' claim ('iat') must be an Integer", '2026-11-22T09:55:00Z'),
    { name: 'TransientError', code: 'app_clock_skewed', message: expect.stringMatching(/300 s ahead of GitHub's/) },
  ],
  [
    'a clock that is behind',
    '',
    answered(401, 'Bad credentials', '2026-11-22T10:20:00Z'),
    { code: 'app_clock_skewed', message: expect.stringMatching(/1200 s behind GitHub's/) },
  ],
  [
    'a clock, by its words alone',
    '',
    answered(401, "'Expiration time' claim ('exp') is too far in the future"),
    { code: 'app_clock_skewed' },
  ],
  [
    'a repository that is not selected',
    'acme/app',
    answered(404, 'Not Found'),
    { code: 'app_not_installed', remedy: expect.stringContaining('Repository access, and select acme/app') },
  ],
  [
    'a repository that was taken out meanwhile',
    'acme/app',
    answered(422, 'There is at least one repository that does not exist or is not accessible.'),
    { code: 'app_not_installed' },
  ],
  [
    'a permission that was taken back meanwhile',
    'acme/app',
    answered(422, 'The permissions requested are not granted to this installation.'),
    { code: 'app_permission_missing', remedy: expect.stringContaining('Permissions & events') },
  ],
  [
    'a suspended installation',
    'acme/app',
    answered(403, 'This installation has been suspended'),
    { code: 'app_suspended', remedy: expect.stringContaining('An owner of acme') },
  ],
])('tells a refusal of an app: %s', (_case, fullName, error, expected) => {
  expect(refusal(error, fullName || undefined)).toMatchObject(expected);
});

it('leaves everything else as it was', () => {
  const limited = githubFailure(answered(429, 'Slow down'), 'ask', NOW_MS);
  expect(appFailure(limited, { app, nowMs: NOW_MS })).toBe(limited);
  expect(refusal(answered(404, 'Not Found'))).toMatchObject({ code: 'remote_not_found' });
  expect(refusal(answered(403, 'Forbidden'), 'acme/app')).toMatchObject({ code: 'permission_missing' });
  const own = new UserError('No', { code: 'repository_name_invalid' });
  expect(appFailure(own, { app, nowMs: NOW_MS })).toBe(own);
});
