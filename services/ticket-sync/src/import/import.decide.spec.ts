import type { RemoteTicket } from '@capstan/tickets';
import { decideImport, nextPollMs, storedEtag, usableEtag } from './import.decide.js';

const OPENED = '2026-01-01T00:00:00Z';
const LATER = '2026-01-02T00:00:00Z';
const ticket = (change: Partial<RemoteTicket> = {}): RemoteTicket => ({
  key: '1',
  url: 'https://tracker.test/1',
  title: 'T',
  body: '',
  state: 'open',
  labels: ['capstan'],
  author: 'ada',
  updatedAt: OPENED,
  openedAt: OPENED,
  ...change,
});
const known = (openedAt: string, key = '1') => ({ key, openedAt: new Date(openedAt) });
const imported = (...parameters: Parameters<typeof decideImport>) =>
  decideImport(...parameters).map(({ key, openedAt }) => `${key} ${openedAt}`);

it.each<[string, RemoteTicket[], ReturnType<typeof known>[], string[]]>([
  ['a new ticket', [ticket()], [], [`1 ${OPENED}`]],
  ['a reopened one', [ticket({ openedAt: LATER })], [known(OPENED)], [`1 ${LATER}`]],
  ['not a known opening', [ticket()], [known(OPENED)], []],
  ['not an opening from before a known one', [ticket()], [known(LATER)], []],
  ['not a closed one', [ticket({ state: 'closed' })], [], []],
  ['not one without the label', [ticket({ labels: ['bug'] })], [], []],
  ['the label in any case', [ticket({ labels: ['Capstan'] })], [], [`1 ${OPENED}`]],
  ['a ticket that is listed twice once', [ticket(), ticket()], [], [`1 ${OPENED}`]],
  [
    'the oldest first',
    [ticket({ key: '2', openedAt: LATER }), ticket()],
    [known(OPENED, '3')],
    [`1 ${OPENED}`, `2 ${LATER}`],
  ],
  ['not what names no time', [ticket({ openedAt: 'yesterday' })], [], []],
])('imports %s', (_, tickets, openings, expected) => {
  expect(imported('capstan', tickets, openings)).toEqual(expected);
});

it('polls at its interval, and later and later while it fails', () => {
  expect(nextPollMs(30_000, null, 0.5)).toBe(30_000);
  expect(nextPollMs(30_000, null, 0)).toBe(27_000);
  expect(nextPollMs(30_000, { attempts: 1 }, 1)).toBe(30_000);
  expect(nextPollMs(30_000, { attempts: 4 }, 1)).toBe(240_000);
  expect(nextPollMs(30_000, { attempts: 30 }, 1)).toBe(600_000);
  expect(nextPollMs(30_000, { attempts: 1, retryAfterMs: 900_000 }, 1)).toBe(900_000);
});

it('uses an etag for what it was given for only', () => {
  const stored = storedEtag('acme/app', 'capstan', 'W/"1"');
  expect(usableEtag('acme/app', 'capstan', stored)).toBe('W/"1"');
  expect(usableEtag('acme/app', 'robot', stored)).toBeNull();
  expect(usableEtag('acme/other', 'capstan', stored)).toBeNull();
  expect(usableEtag('acme/app', 'capstan', 'W/"1"')).toBeNull();
  expect(usableEtag('acme/app', 'capstan', null)).toBeNull();
  expect(storedEtag('acme/app', 'capstan', null)).toBeNull();
});
