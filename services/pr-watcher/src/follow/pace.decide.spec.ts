import type { PullRequest } from '@capstan/database';
import type { PullRequestView } from '@capstan/forges';
import { decideGlance } from '../glance/glance.decide.js';
import { decideFollow, type FollowSnapshot } from './follow.decide.js';
import { NOW, check, remote, review, row, snapshot, view } from './follow.fixture.js';
import { changedUntold, hookTells, mayGlance, type HookSight } from './pace.decide.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const OTHER = 'b'.repeat(40);
const unknown = { known: false, reason: 'may not read it' } as const;

/** Told of half an hour ago, by a hook that told of something else ten minutes ago. */
const TOLD = { toldAt: ago(30 * MINUTE_MS), untoldAt: null, lookedAt: ago(20 * MINUTE_MS) };
const HOOK: HookSight = { lastDeliveryAt: ago(10 * MINUTE_MS), missedAt: null };

describe('a hook', () => {
  it.each<[string, boolean, Partial<PullRequest>, Partial<HookSight>]>([
    ['once a delivery was about the pull request', true, {}, {}],
    ['not before', false, { toldAt: null }, {}],
    ['not without any delivery that is still there', false, {}, { lastDeliveryAt: null }],
    ['not after a change that it did not tell of', false, { untoldAt: ago(5 * MINUTE_MS) }, {}],
    ['again after its next delivery about the pull request', true, { untoldAt: ago(40 * MINUTE_MS) }, {}],
    ['not after a change elsewhere in the repository that it did not tell of', false, {}, { missedAt: ago(MINUTE_MS) }],
    ['again after its next delivery about the repository', true, {}, { missedAt: ago(20 * MINUTE_MS) }],
    ['although a look was faster than the delivery', true, {}, { missedAt: ago(10 * MINUTE_MS - 1_000) }],
    ['over a silent weekend', true, { toldAt: ago(70 * HOUR_MS) }, { lastDeliveryAt: ago(70 * HOUR_MS) }],
    ['not after longer silence', false, { toldAt: ago(73 * HOUR_MS) }, { lastDeliveryAt: ago(73 * HOUR_MS) }],
  ])('is trusted %s: %s', (_, trusted, heard, hook) => {
    expect(hookTells(NOW, { ...TOLD, ...heard }, { ...HOOK, ...hook })).toBe(trusted);
  });
});

it('a glance may do between whole looks, while the hook is trusted', () => {
  expect(mayGlance(NOW, TOLD, HOOK)).toBe(true);
  expect(mayGlance(NOW, { ...TOLD, lookedAt: null }, HOOK)).toBe(false);
  expect(mayGlance(NOW, { ...TOLD, lookedAt: ago(54 * MINUTE_MS) }, HOOK)).toBe(true);
  expect(mayGlance(NOW, { ...TOLD, lookedAt: ago(55 * MINUTE_MS) }, HOOK)).toBe(false);
  expect(mayGlance(NOW, TOLD, { ...HOOK, missedAt: NOW })).toBe(false);
});

/** Green, waiting for an approval, and nothing has happened for half an hour. */
function quiet(change: Partial<FollowSnapshot> = {}, ofRow: Partial<PullRequest> = {}): FollowSnapshot {
  const before = { checks: [check('test', 'success')], reviews: [] };
  const rules = { autoMerge: true, mergeWithoutChecks: false, requiredApprovals: 1 };
  return snapshot({ pullRequest: row({ ...TOLD, ...ofRow }), hook: HOOK, before, rules, random: 0, ...change });
}
const seen = (change: Partial<PullRequestView>): Partial<FollowSnapshot> => ({
  reading: { kind: 'read', view: view(change) },
});
const task = (change: Partial<FollowSnapshot['task']>) => ({ task: { ...snapshot().task, ...change } });
const rules = (change: Partial<FollowSnapshot['rules']>) => ({ rules: { ...snapshot().rules, ...change } });
const SLOW = { nextCheckMs: 11 * MINUTE_MS, glance: true };

it.each<[string, Partial<FollowSnapshot>]>([
  ['waits for an approval', {}],
  ['is red', seen({ checks: { known: true, value: [check('test', 'failure')] } })],
  ['was refused in a review', seen({ reviews: { known: true, value: [review('changes_requested')] } })],
  [
    'waits for its reviewer',
    seen({ reviews: { known: true, value: [review('changes_requested', { commitSha: OTHER })] } }),
  ],
  ['conflicts', seen({ pullRequest: remote({ mergeable: false, mergeableState: 'dirty' }) })],
  ['is behind', seen({ pullRequest: remote({ mergeableState: 'behind' }) })],
  ['is blocked', seen({ pullRequest: remote({ mergeableState: 'blocked' }) })],
  ['is a draft', seen({ pullRequest: remote({ draft: true }) })],
  ['has no checks', seen({ checks: { known: true, value: [] } })],
  ['is left to people', rules({ autoMerge: false })],
  ['is closed', seen({ pullRequest: remote({ state: 'closed', closedBy: 'ada' }) })],
  ['has a task that was cancelled', { ...task({ state: 'cancelled' }), ...rules({}) }],
])('is looked at seldom where the hook tells, when it %s', (_, change) => {
  const told = quiet(change);
  // What is new in these worlds was told of a while after the last whole look.
  const since = { toldAt: ago(2 * MINUTE_MS) };
  const pullRequest = row({ ...TOLD, ...since });
  expect(decideFollow({ ...told, pullRequest })).toMatchObject({ ...SLOW, patch: { untoldAt: null, lookedAt: NOW } });
  const without = decideFollow({ ...told, pullRequest: { ...pullRequest, toldAt: null, lookedAt: null } });
  expect(without.glance).toBe(false);
  expect([27_000, 540_000]).toContain(without.nextCheckMs);
});

it.each<[string, Partial<FollowSnapshot>, Partial<PullRequest>, number]>([
  [
    'a check is pending',
    seen({ checks: { known: true, value: [check('test', 'pending')] } }),
    { toldAt: ago(2 * MINUTE_MS) },
    9_000,
  ],
  [
    'a check is pending on a refused one',
    seen({
      checks: { known: true, value: [check('test', 'pending')] },
      reviews: { known: true, value: [review('changes_requested')] },
    }),
    { toldAt: ago(2 * MINUTE_MS) },
    27_000,
  ],
  ['checks can not be read', seen({ checks: unknown }), {}, 27_000],
  ['required checks can not be read', seen({ missingRequired: unknown }), {}, 27_000],
  ['reviews can not be read', seen({ reviews: unknown }), {}, 27_000],
  ['nothing can be read', { reading: { kind: 'unreadable', reason: 'refused' } }, {}, 27_000],
  ['the mergeability is being computed', seen({ pullRequest: remote({ mergeable: null }) }), {}, 9_000],
  ['a push is not shown yet', seen({ pullRequest: remote({ headSha: OTHER }) }), { headSeenAt: ago(2_000) }, 900],
  ['the merge is asked for', rules({}), {}, 9_000],
  ['the workspace is paused', { ...rules({}), workspacePaused: true }, {}, 27_000],
  ['the agent is at work', { ...rules({}), ...task({ agentAtWork: true }) }, {}, 27_000],
  ['its task waits for an agent', { ...rules({}), ...task({ state: 'queued' }) }, {}, 27_000],
  [
    'a merge was refused',
    {
      ...rules({}),
      merges: [{ state: 'refused', parked: false, code: 'merge_refused', words: 'no', settledAt: NOW }],
    },
    {},
    27_000,
  ],
  ['it was told of just now', {}, { toldAt: ago(MINUTE_MS - 1) }, 27_000],
  ['it changed just now', seen({ pullRequest: remote({ updatedAt: ago(1_000).toISOString() }) }), {}, 27_000],
  ['its head is new', {}, { headSeenAt: ago(MINUTE_MS - 1) }, 27_000],
])('goes on at the old pace while %s', (_, change, ofRow, nextCheckMs) => {
  expect(decideFollow(quiet(change, ofRow))).toMatchObject({ nextCheckMs, glance: false });
});

it('goes on at the forge’s pace while it is away, and forgets nothing', () => {
  const away = quiet({ reading: { kind: 'unavailable', reason: 'down', retryAfterMs: null } });
  expect(decideFollow(away)).toMatchObject({ glance: false, patch: { lookedAt: TOLD.lookedAt, untoldAt: null } });
});

it('looks seldom, but no less than the interval says', () => {
  expect(decideFollow(quiet({ intervalMs: HOUR_MS }))).toMatchObject({ nextCheckMs: HOUR_MS, glance: true });
});

it('makes five looks of an hour, so that glances and the whole look are twelve requests at most', () => {
  for (const random of [0, 0.5, 0.999]) {
    const { nextCheckMs } = decideFollow(quiet({ random }));
    const looksAt = [1, 2, 3, 4, 5].map((look) => new Date(NOW.getTime() + look * nextCheckMs));
    const hook = { ...HOOK, lastDeliveryAt: NOW };
    expect(looksAt.map((at) => mayGlance(at, { ...TOLD, lookedAt: NOW }, hook))).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
    const hoursMs = looksAt.at(-1)!.getTime() - NOW.getTime();
    expect(hoursMs).toBeLessThanOrEqual(HOUR_MS);
    expect(((4 + 7) * HOUR_MS) / hoursMs).toBeLessThanOrEqual(12);
  }
});

describe('a change', () => {
  const CHANGES: [string, Partial<PullRequestView>, Partial<PullRequest>][] = [
    ['of the head', { pullRequest: remote({ headSha: OTHER }) }, {}],
    ['of a check', { checks: { known: true, value: [check('test', 'failure')] } }, {}],
    ['by one more check', { checks: { known: true, value: [check('test', 'success'), check('a', 'success')] } }, {}],
    ['of the reviews', { reviews: { known: true, value: [review('approved')] } }, {}],
    ['of the state', { pullRequest: remote({ state: 'closed' }) }, {}],
    ['of the state to merged', { pullRequest: remote({ state: 'closed', merged: true }) }, {}],
    ['of the state to open', {}, { state: 'closed' }],
  ];
  it.each(CHANGES)('%s that no delivery told of ends the trust', (_, change, ofRow) => {
    const late = quiet(seen(change), ofRow);
    const plan = decideFollow(late);
    expect(plan).toMatchObject({ glance: false, patch: { untoldAt: NOW, lookedAt: NOW } });
    expect(plan.nextCheckMs).toBeLessThanOrEqual(600_000);
    // The next look sees nothing new, and still trusts nobody.
    const then = { ...late.pullRequest, ...plan.patch };
    const later = { ...late, now: new Date(NOW.getTime() + HOUR_MS), pullRequest: then };
    expect(decideFollow(later).glance).toBe(false);
    const told = { ...then, toldAt: new Date(NOW.getTime() + MINUTE_MS) };
    expect(hookTells(later.now, told, { lastDeliveryAt: told.toldAt, missedAt: NOW })).toBe(true);
  });

  it.each(CHANGES)('%s that a delivery was about since does not', (_, change, ofRow) => {
    const plan = decideFollow(quiet(seen(change), { ...ofRow, toldAt: TOLD.lookedAt }));
    expect(plan.patch.untoldAt).toBeNull();
  });

  it.each<[string, Partial<PullRequestView>, Partial<PullRequest>]>([
    ['there was no look before', { checks: { known: true, value: [] } }, { lookedAt: null }],
    ['nothing is new', {}, {}],
    ['the checks can not be read', { checks: unknown }, {}],
    ['the checks could not be read before', { checks: { known: true, value: [] } }, { checks: 'unknown' }],
    [
      'the reviews could not be read before',
      { reviews: { known: true, value: [review('approved')] } },
      { reviews: 'unknown' },
    ],
    ['only the mergeability moved with the base', { pullRequest: remote({ mergeableState: 'behind' }) }, {}],
    [
      'it has no time, and is not kept',
      { reviews: { known: true, value: [review('approved', { submittedAt: 'x' })] } },
      {},
    ],
  ])('is none where %s', (_, change, ofRow) => {
    const { pullRequest, before } = quiet({}, ofRow);
    expect(changedUntold(pullRequest, before, view(change))).toBe(false);
  });

  it('is none where reviews are the same in other words for the time', () => {
    const before = {
      checks: [check('test', 'success')],
      reviews: [review('approved', { submittedAt: '2026-01-01T11:00:00+00:00' })],
    };
    const same = view({
      reviews: { known: true, value: [review('approved', { submittedAt: '2026-01-01T11:00:00Z' })] },
    });
    expect(changedUntold(row(TOLD), before, same)).toBe(false);
  });

  it('is not looked for while the forge still shows the head before a push', () => {
    const pushed = quiet(seen({ pullRequest: remote({ headSha: OTHER }) }), { headSeenAt: ago(2_000) });
    expect(decideFollow(pushed).patch).toMatchObject({ untoldAt: null, lookedAt: TOLD.lookedAt });
  });
});

describe('a glance', () => {
  const shown = remote();
  const last = row({ ...TOLD, mergeable: 'clean', seenUpdatedAt: new Date(shown.updatedAt) });
  const closed = { ...last, state: 'closed' } as const;
  const glance = (pullRequest: PullRequest, of: typeof shown | null) =>
    decideGlance({ random: 0, intervalMs: 30_000, pullRequest, remote: of });

  it('suffices where all is as it was seen', () => {
    expect(glance(last, shown)).toEqual(SLOW);
    expect(glance({ ...last, state: 'refused' }, shown)).toEqual(SLOW);
    expect(glance(closed, remote({ state: 'closed', mergeable: null, mergeableState: 'unknown' }))).toEqual(SLOW);
  });

  it.each<[string, Parameters<typeof remote>[0], PullRequest]>([
    ['it was updated', { updatedAt: NOW.toISOString() }, last],
    ['it has another head', { headSha: OTHER }, last],
    ['it was closed', { state: 'closed' }, last],
    ['it was merged', { state: 'closed', merged: true }, last],
    ['it was merged after all', { state: 'closed', merged: true }, closed],
    ['it was opened again', {}, closed],
    ['its base moved', { mergeable: false, mergeableState: 'dirty' }, last],
    ['its mergeability is computed anew', { mergeable: null, mergeableState: 'clean' }, last],
    ['nothing was seen yet', {}, { ...last, seenUpdatedAt: null }],
  ])('leads to a whole look where %s', (_, change, pullRequest) => {
    expect(glance(pullRequest, remote(change))).toBeNull();
  });

  it('leads to a whole look where the forge gave none', () => {
    expect(glance(last, null)).toBeNull();
  });
});
