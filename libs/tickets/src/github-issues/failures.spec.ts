import { UserError } from '@capstan/domain';
import { GivenUp, githubFailure, githubWords, type HttpError } from './failures.js';

const NOW_MS = 1_900_000_000_000;
function answered(status: number, headers: Record<string, string> = {}, data: unknown = { message: 'No.' }): HttpError {
  return Object.assign(new Error('No.'), { name: 'HttpError', status, response: { headers, data } });
}
const reset = (seconds: number) => ({
  'x-ratelimit-remaining': '0',
  'x-ratelimit-reset': String(NOW_MS / 1_000 + seconds),
});

describe('githubFailure', () => {
  it.each<[string, HttpError, object]>([
    ['a wrong token', answered(401), { name: 'UserError', code: 'credential_refused', status: 422 }],
    [
      'a missing permission',
      answered(403, { 'x-ratelimit-remaining': '10' }),
      { name: 'UserError', code: 'permission_missing' },
    ],
    [
      'permissions in words',
      answered(403, { 'x-accepted-github-permissions': 'pull_requests=write; contents=write' }),
      { remedy: 'Give the token the permission pull_requests=write or contents=write.' },
    ],
    [
      'scopes in words',
      answered(403, { 'x-accepted-oauth-scopes': 'repo' }),
      { code: 'permission_missing', remedy: 'Give the token one of the scopes repo.' },
    ],
    [
      'single sign-on',
      answered(403, { 'x-github-sso': 'required; url=https://x' }),
      { code: 'permission_missing', remedy: expect.stringContaining('single sign-on') },
    ],
    [
      'the primary limit',
      answered(403, reset(90)),
      { name: 'TransientError', code: 'tracker_rate_limited', retryAfterMs: 91_000 },
    ],
    ['the primary limit as 429', answered(429, reset(1)), { code: 'tracker_rate_limited', retryAfterMs: 2_000 }],
    ['a limit that just ended', answered(403, reset(-5)), { code: 'tracker_rate_limited', retryAfterMs: 1_000 }],
    [
      'a secondary limit',
      answered(403, { 'retry-after': '30', ...reset(900) }),
      { code: 'tracker_rate_limited', retryAfterMs: 30_000 },
    ],
    [
      'a secondary limit in words only',
      answered(403, {}, { message: 'You have exceeded a secondary rate limit.' }),
      { code: 'tracker_rate_limited', retryAfterMs: 60_000 },
    ],
    ['429 without a word', answered(429), { code: 'tracker_rate_limited', retryAfterMs: 60_000 }],
    ['nothing there', answered(404), { name: 'UserError', code: 'remote_not_found' }],
    ['gone', answered(410), { name: 'UserError', code: 'remote_not_found' }],
    ['a server error', answered(500), { name: 'TransientError', code: 'tracker_unavailable', retryAfterMs: undefined }],
    [
      'maintenance',
      answered(503, { 'retry-after': '7' }),
      { name: 'TransientError', code: 'tracker_unavailable', retryAfterMs: 7_000 },
    ],
    ['a refusal', answered(422), { name: 'UserError', code: 'tracker_refused' }],
  ])('%s', (_, error, expected) => {
    expect(githubFailure(error, 'do it', NOW_MS)).toMatchObject(expected);
  });

  it('maps what never got an answer', () => {
    const refused = Object.assign(new Error('ECONNREFUSED'), { name: 'HttpError', status: 500 });
    expect(githubFailure(refused, 'do it', NOW_MS)).toMatchObject({
      name: 'TransientError',
      code: 'tracker_unreachable',
    });
    expect(githubFailure(new GivenUp('x'), 'do it', NOW_MS)).toMatchObject({
      name: 'TransientError',
      code: 'tracker_timeout',
    });
    expect(githubFailure(new TypeError('x is undefined'), 'do it', NOW_MS)).toMatchObject({ name: 'Bug' });
  });

  it('leaves errors of Capstan as they are', () => {
    const error = new UserError('x', { code: 'too_much' });
    expect(githubFailure(error, 'do it', NOW_MS)).toBe(error);
  });
});

describe('githubWords', () => {
  it.each<[unknown, string]>([
    [
      {
        message: 'Validation Failed',
        errors: [{ resource: 'PullRequest', code: 'custom', message: 'No commits between main and x' }],
      },
      'Validation Failed: No commits between main and x',
    ],
    [
      { message: 'Validation Failed', errors: [{ resource: 'PullRequest', field: 'head', code: 'invalid' }] },
      'Validation Failed: PullRequest head invalid',
    ],
    [{ message: 'Sorry', errors: ['a', null, 3] }, 'Sorry: a'],
    ['<html>', 'No.'],
  ])('%j', (data, expected) => {
    expect(githubWords(answered(422, {}, data))).toBe(expected);
  });
});
