import { pauseMs } from './pause.decide.js';

const now = Date.parse('2026-11-21T10:00:00Z');
const pause = (headers: Record<string, string>, body = '', status = 429) => pauseMs(status, headers, body, now);

it.each([
  ['nothing', {}, 30_000],
  ['seconds', { 'retry-after': '7' }, 7_000],
  ['milliseconds', { 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
  ['a date', { 'retry-after': 'Sat, 21 Nov 2026 10:00:45 GMT' }, 45_000],
  ['a date that has passed', { 'retry-after': 'Sat, 21 Nov 2026 09:00:00 GMT' }, 0],
  ['nonsense', { 'retry-after': 'soon' }, 30_000],
  ['a week', { 'retry-after': '604800' }, 3_600_000],
  ['an account’s window', { 'anthropic-ratelimit-unified-reset': String(now / 1_000 + 90) }, 90_000],
  [
    'the limit that is used up, of several',
    {
      'anthropic-ratelimit-requests-remaining': '9',
      'anthropic-ratelimit-requests-reset': '2026-11-21T10:50:00Z',
      'anthropic-ratelimit-input-tokens-remaining': '0',
      'anthropic-ratelimit-input-tokens-reset': '2026-11-21T10:00:12Z',
    },
    12_000,
  ],
])('of a limit that says %s', (_what, headers, ms) => {
  expect(pause(headers)).toBe(ms);
});

it('of Google’s, which says it in the body', () => {
  const body = { error: { code: 429, details: [{ '@type': 'QuotaFailure' }, { retryDelay: '34.5s' }] } };
  expect(pause({}, JSON.stringify(body))).toBe(34_500);
  expect(pause({}, '<html>')).toBe(30_000);
});

it('of an account without credit is as long as can be: waiting brings none', () => {
  expect(pause({}, JSON.stringify({ error: { code: 'insufficient_quota' } }))).toBe(3_600_000);
});

it('of a provider that is only overloaded is short', () => {
  expect(pause({}, '', 529)).toBe(5_000);
  expect(pause({ 'retry-after': '2' }, '', 529)).toBe(2_000);
});
