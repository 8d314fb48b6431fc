import type { IncomingHttpHeaders } from 'node:http';
import { judgeAnswer } from './judgement.js';
import type { Call } from './targets.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const answered = (status: number, body: unknown = {}, headers: IncomingHttpHeaders = JSON_TYPE) =>
  ({ kind: 'answered', status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) }) as const;
const anthropic = (type: string, message: string, details?: object) => ({
  type: 'error',
  error: { type, message, ...(details !== undefined && { details }) },
});
const google = (code: number, message: string, reason?: string) => ({
  error: { code, message, status: 'INVALID_ARGUMENT', details: reason === undefined ? [] : [{ reason }] },
});
const github = (permissions: object, over: object = {}) => ({ full_name: 'a/b', private: true, permissions, ...over });

it.each<readonly [string, Call, ReturnType<typeof answered>, string, string]>([
  ['a list of models', 'openai', answered(200, { data: [] }), 'valid', ''],
  [
    'a wrong key at Anthropic',
    'anthropic-key',
    answered(401, anthropic('authentication_error', 'invalid x-api-key')),
    'refused',
    'invalid x-api-key',
  ],
  [
    'a token that Anthropic says is over',
    'anthropic-token',
    answered(401, anthropic('authentication_error', 'Please log in', { error_code: 'token_expired' })),
    'expired',
    'Please log in',
  ],
  [
    'a list that Anthropic keeps from subscriptions',
    'anthropic-token',
    answered(401, anthropic('authentication_error', 'OAuth authentication is currently not supported.')),
    'inconclusive',
    'OAuth authentication is currently not supported.',
  ],
  ['an app whose key is good', 'github-app', answered(200, { slug: 'capstan' }), 'valid', ''],
  [
    'a key of an app that was revoked',
    'github-app',
    answered(401, { message: 'A JSON web token could not be decoded' }),
    'refused',
    'A JSON web token could not be decoded',
  ],
  [
    'an app that is gone',
    'github-app',
    answered(404, { message: 'Integration not found' }),
    'refused',
    'Integration not found',
  ],
  [
    'a clock that is wrong',
    'github-app',
    answered(401, { message: "'Issued at' claim ('iat') must be an Integer" }),
    'inconclusive',
    "'Issued at' claim ('iat') must be an Integer",
  ],
  [
    'a wrong key at OpenAI',
    'openai',
    answered(401, { error: { message: 'Incorrect API key', type: 'invalid_request_error', code: 'invalid_api_key' } }),
    'refused',
    'Incorrect API key',
  ],
  [
    'a restricted key at OpenAI',
    'openai',
    answered(403, { error: { message: 'Missing scopes: api.model.read', type: 'invalid_request_error' } }),
    'scope_too_narrow',
    'Missing scopes: api.model.read',
  ],
  [
    'a wrong key at Google, which says 400',
    'gemini',
    answered(400, google(400, 'API key not valid. Please pass a valid API key.', 'API_KEY_INVALID')),
    'refused',
    'API key not valid. Please pass a valid API key.',
  ],
  [
    'a key that Google says is over',
    'gemini',
    answered(400, [google(400, 'API key expired. Please renew the API key.', 'API_KEY_INVALID')]),
    'expired',
    'API key expired. Please renew the API key.',
  ],
  ['another 400', 'gemini', answered(400, google(400, 'odd')), 'inconclusive', 'odd'],
  ['no credit', 'openai', answered(402, { error: 'no credit left' }), 'refused', 'no credit left'],
  ['a limit', 'openai', answered(429, { error: { message: 'Slow down' } }), 'inconclusive', 'Slow down'],
  ['an overload', 'anthropic-key', answered(529, 'oops'), 'inconclusive', 'HTTP 529'],
  ['a fault', 'gemini', answered(500), 'inconclusive', 'HTTP 500'],
  ['a redirect', 'openai', answered(302), 'inconclusive', 'HTTP 302'],
  ['an endpoint without a list', 'openai', answered(404, { detail: 'Not Found' }), 'inconclusive', 'Not Found'],
  [
    'a log-in page',
    'openai',
    answered(200, '<html>', { 'content-type': 'text/html' }),
    'inconclusive',
    'A page for people came, not what the provider’s API answers',
  ],
  [
    'a proxy’s page',
    'openai',
    answered(403, '<html>', { 'content-type': 'text/html; charset=utf-8' }),
    'inconclusive',
    'HTTP 403 with a page for people: something in between answered',
  ],
  ['a repository that may be pushed to', 'github-repository', answered(200, github({ push: true })), 'valid', ''],
  [
    'a repository that may only be read',
    'github-repository',
    answered(200, github({ push: false, pull: true, triage: true })),
    'scope_too_narrow',
    'permissions: pull, triage; push is needed',
  ],
  [
    'a classic token without its scope',
    'github-repository',
    answered(200, github({ push: true }), { ...JSON_TYPE, 'x-oauth-scopes': 'read:org, public_repo' }),
    'scope_too_narrow',
    'scopes: read:org, public_repo; repo is needed',
  ],
  [
    'a classic token for a public repository',
    'github-repository',
    answered(200, github({ push: true }, { private: false }), { ...JSON_TYPE, 'x-oauth-scopes': 'public_repo' }),
    'valid',
    '',
  ],
  [
    'a classic token with no scope at all',
    'github-repository',
    answered(200, github({ push: true }), { ...JSON_TYPE, 'x-oauth-scopes': '' }),
    'scope_too_narrow',
    'scopes: none; repo is needed',
  ],
  [
    'a token that ends some day',
    'github-repository',
    answered(200, github({ push: true }), {
      ...JSON_TYPE,
      'github-authentication-token-expiration': '2027-01-02 03:04:05 UTC',
    }),
    'valid',
    'Expires 2027-01-02 03:04:05 UTC',
  ],
  [
    'a repository that it may not see',
    'github-repository',
    answered(404, { message: 'Not Found' }),
    'scope_too_narrow',
    'Not Found: GitHub hides what a token may not see',
  ],
  ['half a repository', 'github-repository', answered(200, '{"perm'), 'inconclusive', 'The answer is no repository'],
  [
    'GitHub’s limit, which is a 403 too',
    'github-user',
    answered(403, { message: 'API rate limit exceeded' }, { ...JSON_TYPE, 'x-ratelimit-remaining': '0' }),
    'inconclusive',
    'API rate limit exceeded',
  ],
  ['bad credentials', 'github-user', answered(401, { message: 'Bad credentials' }), 'refused', 'Bad credentials'],
])('%s', (_what, call, answer, state, words) => {
  expect(judgeAnswer(call, answer)).toEqual({ state, words });
});

it('takes silence for nothing, and a value that can not be sent for refused', () => {
  expect(judgeAnswer('openai', { kind: 'unanswered', words: 'silence' })).toEqual({
    ...{ state: 'inconclusive', words: 'silence' },
  });
  expect(judgeAnswer('openai', { kind: 'unasked', words: 'a line end' }).state).toBe('refused');
});
