import fc from 'fast-check';
import { TASK_INTENTS, TASK_STATES, type TaskIntent } from '@capstan/domain';
import type { ForgeCheck, PullRequestView } from '@capstan/forges';
import { PUSH_SETTLE_MS, decideFollow, type FollowSnapshot } from './follow.decide.js';
import { MERGE_RETRY_MS, type MergeAttempt } from './gates.decide.js';
import { HEAD, NOW, check, remote, review, row, snapshot, view } from './follow.fixture.js';

const OTHER = 'b'.repeat(40);
const seen = (change: Partial<PullRequestView>): Partial<FollowSnapshot> => ({
  reading: { kind: 'read', view: view(change) },
});
const checks = (...value: ForgeCheck[]) => seen({ checks: { known: true, value } });
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const unknown = { known: false, reason: 'may not read it' } as const;
const rules = (change: Partial<FollowSnapshot['rules']>) => ({ rules: { ...snapshot().rules, ...change } });
const task = (change: Partial<FollowSnapshot['task']>) => ({ task: { ...snapshot().task, ...change } });
const attempt = (change: Partial<MergeAttempt>): Partial<FollowSnapshot> => ({
  merges: [{ state: 'requested', parked: false, code: null, words: null, settledAt: null, ...change }],
});

it('merges the judged head when nothing stands against it', () => {
  const plan = decideFollow(snapshot());
  expect(plan.merge).toEqual({ sha: HEAD, attempt: 1 });
  expect(plan.patch).toMatchObject({ state: 'open', checks: 'green', refusal: null, decision: 'Merging' });
});

it.each<[string, Partial<FollowSnapshot>]>([
  ['neutral and skipped checks', checks(check('a', 'neutral'), check('b', 'skipped'))],
  ['no check at all, where the repository allows it', { ...checks(), ...rules({ mergeWithoutChecks: true }) }],
  ['a task that needs attention', task({ state: 'needs_attention' })],
  ['a task whose opened pull request the scheduler has not noted yet', task({ state: 'running' })],
  [
    'an approval of this head',
    { ...rules({ requiredApprovals: 1 }), ...seen({ reviews: { known: true, value: [review('approved')] } }) },
  ],
  [
    'a refusal by a stranger',
    seen({ reviews: { known: true, value: [review('changes_requested', { trusted: false })] } }),
  ],
  ['a stale earlier wish', attempt({ state: 'refused', code: 'stale', settledAt: NOW })],
  ['a refusal that is old', attempt({ state: 'refused', code: 'merge_refused', settledAt: ago(MERGE_RETRY_MS) })],
  [
    'an unstable state, which is what its own checks say',
    seen({ pullRequest: remote({ mergeableState: 'unstable' }) }),
  ],
])('merges with %s', (_, change) => {
  expect(decideFollow(snapshot(change)).merge).not.toBeNull();
});

it('gives each further wish for the same head a number of its own', () => {
  const plan = decideFollow(snapshot(attempt({ state: 'refused', code: 'stale', settledAt: NOW })));
  expect(plan.merge).toEqual({ sha: HEAD, attempt: 2 });
});

const REFUSED: [string, Partial<FollowSnapshot>, string][] = [
  ['a red check', checks(check('test', 'failure')), 'ci_failed'],
  ['one red check among green ones', checks(check('a', 'success'), check('b', 'failure')), 'ci_failed'],
  ['checks that can not be read', seen({ checks: unknown }), 'pull_request_unreadable'],
  ['required checks that can not be read', seen({ missingRequired: unknown }), 'pull_request_unreadable'],
  ['reviews that can not be read', seen({ reviews: unknown }), 'pull_request_unreadable'],
  ['no access', { reading: { kind: 'unreadable', reason: 'token refused' } }, 'pull_request_unreadable'],
  ['no check after the grace', checks(), 'no_checks'],
  [
    'none of the required checks after the grace, whatever the repository says of merging without',
    {
      ...rules({ mergeWithoutChecks: true }),
      ...seen({ checks: { known: true, value: [] }, missingRequired: { known: true, value: ['deploy'] } }),
    },
    'no_checks',
  ],
  ['a conflict', seen({ pullRequest: remote({ mergeable: false, mergeableState: 'dirty' }) }), 'merge_conflict'],
  ['a branch that is behind', seen({ pullRequest: remote({ mergeableState: 'behind' }) }), 'merge_conflict'],
  ['a refusing review', seen({ reviews: { known: true, value: [review('changes_requested')] } }), 'changes_requested'],
  ['a head that Capstan did not push', seen({ pullRequest: remote({ headSha: OTHER }) }), 'foreign_head'],
  ['a rule that blocks', seen({ pullRequest: remote({ mergeableState: 'blocked' }) }), 'merge_refused'],
  ['merging left to people', rules({ autoMerge: false }), 'awaiting_merge'],
  [
    'a fresh refusal of the merge',
    attempt({ state: 'refused', code: 'merge_refused', words: 'no', settledAt: NOW }),
    'merge_refused',
  ],
  ['a parked merge', attempt({ state: 'requested', parked: true }), 'effect_parked'],
];
it.each(REFUSED)('refuses with %s', (_, change, code) => {
  const plan = decideFollow(snapshot(change));
  expect(plan.merge).toBeNull();
  expect(plan.patch.refusal?.code).toBe(code);
});

const WAITING: [string, Partial<FollowSnapshot>][] = [
  ['a pending check', checks(check('test', 'pending'))],
  [
    'a red check while others are pending on a fresh head',
    { ...checks(check('a', 'failure'), check('b', 'pending')), pullRequest: row({ headSeenAt: ago(1_000) }) },
  ],
  ['a required check that has not reported', seen({ missingRequired: { known: true, value: ['deploy'] } })],
  ['no check yet', { ...checks(), pullRequest: row({ headSeenAt: ago(60_000) }) }],
  ['a draft', seen({ pullRequest: remote({ draft: true }) })],
  [
    'a mergeability that is being computed',
    seen({ pullRequest: remote({ mergeable: null, mergeableState: 'unknown' }) }),
  ],
  ['too few approvals', rules({ requiredApprovals: 1 })],
  [
    'an approval of an older head',
    {
      ...rules({ requiredApprovals: 1 }),
      ...seen({ reviews: { known: true, value: [review('approved', { commitSha: OTHER })] } }),
    },
  ],
  [
    'an approval by a stranger',
    {
      ...rules({ requiredApprovals: 1 }),
      ...seen({ reviews: { known: true, value: [review('approved', { trusted: false })] } }),
    },
  ],
  [
    'a refusal of an older head',
    seen({ reviews: { known: true, value: [review('changes_requested', { commitSha: OTHER })] } }),
  ],
  ['a paused workspace', { workspacePaused: true }],
  ['an agent at work', task({ agentAtWork: true })],
  ['a task that waits for its agent', task({ state: 'queued' })],
  ['a cancelled task', task({ state: 'cancelled' })],
  ['a wish to cancel', task({ intent: 'cancel' })],
  ['a later life of the task', task({ generation: 2 })],
  ['a merge that is on its way', attempt({ state: 'claimed' })],
  ['a merge that is done', attempt({ state: 'done' })],
  [
    'a head that the forge does not show yet',
    { ...seen({ pullRequest: remote({ headSha: OTHER }) }), pullRequest: row({ headSeenAt: ago(1_000) }) },
  ],
];
it.each(WAITING)('waits without a refusal with %s', (_, change) => {
  const plan = decideFollow(snapshot(change));
  expect(plan.merge).toBeNull();
  expect(plan.patch.refusal).toBeNull();
  expect(plan.patch.decision).not.toBe('');
});

it('tells a foreign head once the forge had its time', () => {
  const change = seen({ pullRequest: remote({ headSha: OTHER }) });
  const plan = decideFollow(snapshot({ ...change, pullRequest: row({ headSeenAt: ago(PUSH_SETTLE_MS) }) }));
  expect(plan.patch).toMatchObject({ headSha: OTHER, headSeenAt: NOW, refusal: { code: 'foreign_head' } });
});

it('starts the grace anew with a new head', () => {
  const plan = decideFollow(snapshot({ ...checks(), pullRequest: row({ headSha: OTHER, pushedSha: HEAD }) }));
  expect(plan.patch).toMatchObject({ headSha: HEAD, headSeenAt: NOW, refusal: null });
});

it('understands a merge by whomever', () => {
  const merged = remote({ state: 'closed', merged: true, mergeCommitSha: OTHER, closedBy: 'ada' });
  const plan = decideFollow(
    snapshot({ ...seen({ pullRequest: merged }), pullRequest: row({ refusal: { code: 'no_checks', detail: '' } }) }),
  );
  expect(plan.patch).toMatchObject({
    state: 'merged',
    mergeCommit: OTHER,
    closedBy: 'ada',
    mergedAt: NOW,
    refusal: null,
  });
});

it('understands a close, a reopening, and its own close of an earlier life', () => {
  const shut = seen({ pullRequest: remote({ state: 'closed', closedBy: 'ada' }) });
  expect(decideFollow(snapshot(shut)).patch).toMatchObject({
    state: 'closed',
    closedAt: NOW,
    refusal: { code: 'pull_request_closed' },
  });
  expect(decideFollow(snapshot({ ...shut, ...task({ generation: 2 }) })).patch).toMatchObject({
    state: 'closed',
    refusal: null,
  });
  const reopened = snapshot({ pullRequest: row({ state: 'closed', closedAt: NOW, closedBy: 'ada' }) });
  expect(decideFollow(reopened).patch).toMatchObject({ state: 'open', closedAt: null, closedBy: null, refusal: null });
});

it('keeps what was refused to be published refused, but sees its merge', () => {
  const refused = row({ state: 'refused', refusal: { code: 'publish_refused_secret', detail: 'x' } });
  expect(decideFollow(snapshot({ pullRequest: refused }))).toMatchObject({
    merge: null,
    patch: { state: 'refused', refusal: refused.refusal },
  });
  const merged = seen({ pullRequest: remote({ merged: true, state: 'closed' }) });
  expect(decideFollow(snapshot({ ...merged, pullRequest: refused })).patch.state).toBe('merged');
});

it('changes nothing but the pace while the forge is away', () => {
  const before = row({ checks: 'green', refusal: { code: 'no_checks', detail: 'x' }, attempts: 2 });
  const plan = decideFollow(
    snapshot({ pullRequest: before, reading: { kind: 'unavailable', reason: 'down', retryAfterMs: 90_000 } }),
  );
  expect(plan).toMatchObject({
    merge: null,
    checkRows: null,
    patch: {
      checks: 'green',
      refusal: before.refusal,
      attempts: 3,
      lastError: 'down',
      decision: 'Waiting: the forge can not be asked: down',
    },
  });
  expect(plan.nextCheckMs).toBeGreaterThanOrEqual(90_000);
});

it('tells the agent the head first, then each failing check and the end of its words, within 8 KB', () => {
  const long = `${'x'.repeat(20_000)}THE END`;
  const plan = decideFollow(
    snapshot(
      checks(
        check('unit', 'failure', { summary: long, url: 'https://ci.test/1' }),
        check('lint', 'failure'),
        check('ok', 'success'),
      ),
    ),
  );
  const { detail } = plan.patch.refusal!;
  expect(detail.startsWith(`${HEAD} failing checks: unit, lint`)).toBe(true);
  expect(detail).toContain('THE END');
  expect(detail).toContain('## unit (https://ci.test/1)');
  expect(detail).not.toContain('## ok');
  expect(Buffer.byteLength(detail)).toBeLessThanOrEqual(8_192);
});

it('looks again soon while something is pending, and at the sweep’s pace else', () => {
  const pace = (change: Partial<FollowSnapshot>) => decideFollow(snapshot(change)).nextCheckMs;
  expect(pace({ ...checks(check('test', 'pending')), pullRequest: row({ headSeenAt: ago(0) }) })).toBe(1_000);
  expect(pace(checks(check('test', 'pending')))).toBe(10_000);
  expect(pace({ workspacePaused: true })).toBe(30_000);
  expect(pace({ workspacePaused: true, random: 0 })).toBe(27_000);
  expect(pace(task({ state: 'cancelled' }))).toBe(600_000);
});

it('never merges with any of these together', () => {
  const faults = [...REFUSED, ...WAITING].map(([, change]) => change);
  fc.assert(
    fc.property(fc.subarray(faults, { minLength: 1 }), (some) => {
      expect(decideFollow(snapshot(Object.assign({}, ...some) as Partial<FollowSnapshot>)).merge).toBeNull();
    }),
    { numRuns: 1_000 },
  );
});

describe('whatever the world is', () => {
  /** Good most of the time, so that many worlds have one fault only. */
  const mostly = <T>(good: T, ...bad: T[]) =>
    fc.oneof({ weight: 9, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: fc.constantFrom(good, ...bad) });

  const state = mostly<ForgeCheck['state']>('success', 'neutral', 'skipped', 'pending', 'failure');
  const readable = <T>(value: fc.Arbitrary<T>) =>
    fc.oneof(
      { weight: 1, arbitrary: fc.constant(unknown) },
      { weight: 9, arbitrary: value.map((known) => ({ known: true as const, value: known })) },
    );
  const reviews = fc.array(
    fc
      .record({
        state: fc.constantFrom(
          'approved' as const,
          'changes_requested' as const,
          'commented' as const,
          'dismissed' as const,
        ),
        commitSha: mostly<string | null>(HEAD, OTHER, null),
        trusted: fc.boolean(),
        author: fc.constantFrom('ada', 'bob'),
      })
      .map((change) => review(change.state, change)),
    { maxLength: 3 },
  );
  const world: fc.Arbitrary<FollowSnapshot> = fc
    .record({
      pullRequest: fc.record({
        headSha: mostly(HEAD, OTHER),
        draft: mostly(false, true),
        mergeable: mostly<boolean | null>(true, false, null),
        mergeableState: mostly('clean', 'blocked', 'behind', 'dirty', 'unstable', 'draft', 'unknown'),
        state: mostly<'open' | 'closed'>('open', 'closed'),
        merged: mostly(false, true),
      }),
      checks: readable(
        fc.array(
          state.map((each) => check(`c-${each}`, each)),
          { maxLength: 4 },
        ),
      ),
      reviews: readable(reviews),
      missingRequired: readable(mostly<string[]>([], ['deploy'], ['deploy', 'test'])),
      rules: fc.record({
        autoMerge: mostly(true, false),
        mergeWithoutChecks: fc.boolean(),
        requiredApprovals: mostly(0, 1, 2),
      }),
      task: fc.record({
        state: mostly(...(['pr_opened', ...TASK_STATES] as const)),
        intent: mostly<TaskIntent | null>(null, ...TASK_INTENTS),
        generation: mostly(1, 2),
        agentAtWork: mostly(false, true),
      }),
      workspacePaused: mostly(false, true),
      ageMs: fc.constantFrom(0, 60_000, 3_600_000),
      rowState: mostly<'open' | 'closed' | 'refused' | 'publishing'>('open', 'closed', 'refused', 'publishing'),
    })
    .map(({ pullRequest, checks: reported, reviews: said, missingRequired, ageMs, rowState, ...rest }) =>
      snapshot({
        ...rest,
        pullRequest: row({ state: rowState, headSeenAt: ago(ageMs) }),
        reading: {
          kind: 'read',
          view: view({ pullRequest: remote(pullRequest), checks: reported, reviews: said, missingRequired }),
        },
      }),
    );

  it('never merges what is unknown, red, pending, foreign, refused or not wanted', () => {
    let merges = 0;
    fc.assert(
      fc.property(world, (snap) => {
        const { merge } = decideFollow(snap);
        if (merge === null || snap.reading.kind !== 'read') return;
        merges += 1;
        const { pullRequest, checks: reported, reviews: said, missingRequired } = snap.reading.view;
        expect(merge.sha).toBe(pullRequest.headSha);
        expect(pullRequest).toMatchObject({
          headSha: HEAD,
          draft: false,
          mergeable: true,
          state: 'open',
          merged: false,
        });
        expect(['clean', 'unstable']).toContain(pullRequest.mergeableState);
        if (!reported.known || !said.known || !missingRequired.known) throw new Error('merged the unknown');
        expect(missingRequired.value).toEqual([]);
        expect(reported.value.filter(({ state: each }) => each === 'failure' || each === 'pending')).toEqual([]);
        expect(reported.value.length > 0 || snap.rules.mergeWithoutChecks).toBe(true);
        expect(said.value.filter((each) => each.trusted && each.state === 'changes_requested')).toEqual([]);
        expect(snap).toMatchObject({
          workspacePaused: false,
          rules: { autoMerge: true },
          task: { intent: null, generation: 1, agentAtWork: false },
        });
        expect(['running', 'pr_opened', 'needs_attention']).toContain(snap.task.state);
        expect(['open', 'closed']).toContain(snap.pullRequest.state);
      }),
      { numRuns: 3_000 },
    );
    expect(merges).toBeGreaterThan(100);
  });

  it('merges only on what was read, and gives the same plan for the same world', () => {
    fc.assert(
      fc.property(world, (snap) => {
        expect(decideFollow(snap)).toEqual(decideFollow(structuredClone(snap)));
        expect(
          decideFollow({ ...snap, reading: { kind: 'unavailable', reason: 'x', retryAfterMs: null } }).merge,
        ).toBeNull();
        expect(decideFollow({ ...snap, reading: { kind: 'unreadable', reason: 'x' } }).merge).toBeNull();
      }),
    );
  });
});
