import { foldChecks, type CheckRun, type CommitStatus } from './checks.js';
import { countingReviews } from './reviews.js';

const run = (change: Partial<CheckRun> = {}): CheckRun => ({
  id: 1,
  name: 'test',
  status: 'completed',
  conclusion: 'success',
  appId: 15,
  suiteId: 1,
  url: null,
  output: [],
  ...change,
});
const status = (change: Partial<CommitStatus> = {}): CommitStatus => ({
  context: 'build',
  state: 'success',
  description: null,
  url: null,
  ...change,
});
const states = (...reports: Parameters<typeof foldChecks>) =>
  foldChecks(...reports).checks.map(({ name, state }) => [name, state]);

describe('foldChecks', () => {
  it.each([
    ['queued', null, 'pending'],
    ['in_progress', null, 'pending'],
    ['waiting', null, 'pending'],
    ['completed', 'success', 'success'],
    ['completed', 'neutral', 'neutral'],
    ['completed', 'skipped', 'skipped'],
    ['completed', 'failure', 'failure'],
    ['completed', 'cancelled', 'failure'],
    ['completed', 'timed_out', 'failure'],
    ['completed', 'action_required', 'failure'],
    ['completed', 'stale', 'failure'],
    ['completed', 'something new', 'failure'],
    ['completed', null, 'failure'],
  ])('reads %s %s as %s', (word, conclusion, state) => {
    expect(states([run({ status: word, conclusion })], [], [])).toEqual([['test', state]]);
  });

  it.each([
    ['success', 'success'],
    ['pending', 'pending'],
    ['failure', 'failure'],
    ['error', 'failure'],
    ['else', 'failure'],
  ])('reads the status %s as %s', (word, state) =>
    expect(states([], [status({ state: word })], [])).toEqual([['build', state]]),
  );

  it('takes the latest run of a suite', () => {
    expect(states([run({ id: 1, conclusion: 'failure' }), run({ id: 2 })], [], [])).toEqual([['test', 'success']]);
    expect(states([run({ id: 9 }), run({ id: 3, conclusion: 'failure' })], [], [])).toEqual([['test', 'success']]);
  });

  it('does not let one suite hide the failure of another', () => {
    expect(states([run({ id: 1, suiteId: 1, conclusion: 'failure' }), run({ id: 2, suiteId: 2 })], [], [])).toEqual([
      ['test', 'failure'],
    ]);
  });

  it('forgets a cancelled run once a newer one is there', () => {
    const newer = run({ id: 2, suiteId: 2 });
    expect(states([run({ id: 1, suiteId: 1, conclusion: 'cancelled' }), newer], [], [])).toEqual([['test', 'success']]);
    expect(states([newer, run({ id: 3, suiteId: 3, conclusion: 'cancelled' })], [], [])).toEqual([['test', 'failure']]);
  });

  it('shows the worst of two apps under one name', () => {
    expect(states([run({ id: 1, appId: 15, conclusion: 'failure' }), run({ id: 2, appId: 16 })], [], [])).toEqual([
      ['test', 'failure'],
    ]);
  });

  it('marks required checks, and names those that are missing', () => {
    const any = { appId: null };
    const folded = foldChecks(
      [run()],
      [status()],
      [
        { name: 'test', ...any },
        { name: 'build', ...any },
        { name: 'lint', ...any },
        { name: 'lint', appId: 15 },
      ],
    );
    expect(folded.checks.map(({ name, required }) => [name, required])).toEqual([
      ['build', true],
      ['test', true],
    ]);
    expect(folded.missing).toEqual(['lint']);
  });

  it("does not take another app's word for a required check", () => {
    expect(foldChecks([run({ appId: 99 })], [], [{ name: 'test', appId: 15 }]).missing).toEqual(['test']);
    expect(foldChecks([run({ appId: 15 })], [], [{ name: 'test', appId: 15 }]).missing).toEqual([]);
  });

  it('keeps the end of an output, at most 4 KB, in whole characters', () => {
    const [check] = foldChecks([run({ output: ['Title', null, `${'ü'.repeat(4_000)}.end`] })], [], []).checks;
    expect(Buffer.byteLength(check!.summary!)).toBeLessThanOrEqual(4_096);
    expect(check!.summary).toMatch(/^ü+\.end$/);
    expect(foldChecks([run({ output: ['Title', 'Sum', undefined] })], [], []).checks[0]!.summary).toBe('Title\n\nSum');
    expect(foldChecks([run()], [], []).checks[0]!.summary).toBeNull();
  });
});

describe('countingReviews', () => {
  const review = (login: string | null, state: string, change: object = {}) => ({
    user: login === null ? null : { login },
    state,
    body: state,
    commit_id: 'abc',
    submitted_at: '2026-01-01T00:00:00Z',
    author_association: 'MEMBER',
    ...change,
  });
  it.each<[string, ReturnType<typeof review>[], [string, string][]]>([
    ['the latest word', [review('a', 'CHANGES_REQUESTED'), review('a', 'APPROVED')], [['a', 'approved']]],
    [
      'a refusal over an approval',
      [review('a', 'APPROVED'), review('a', 'CHANGES_REQUESTED')],
      [['a', 'changes_requested']],
    ],
    [
      'a comment takes nothing back',
      [review('a', 'CHANGES_REQUESTED'), review('a', 'COMMENTED')],
      [['a', 'changes_requested']],
    ],
    ['comments alone', [review('a', 'COMMENTED'), review('a', 'COMMENTED')], [['a', 'commented']]],
    ['a dismissal', [review('a', 'APPROVED'), review('a', 'DISMISSED')], [['a', 'dismissed']]],
    ['drafts stay out', [review('a', 'PENDING')], []],
    [
      'authors apart',
      [review('a', 'APPROVED'), review(null, 'COMMENTED')],
      [
        ['a', 'approved'],
        ['ghost', 'commented'],
      ],
    ],
  ])('%s', (_, reviews, expected) => {
    expect(countingReviews(reviews).map(({ author, state }) => [author, state])).toEqual(expected);
  });

  it('says who has a say', () => {
    const trusted = ['OWNER', 'MEMBER', 'COLLABORATOR', 'CONTRIBUTOR', 'NONE'].map(
      (author_association, index) =>
        countingReviews([review(`u${index}`, 'APPROVED', { author_association })])[0]!.trusted,
    );
    expect(trusted).toEqual([true, true, true, false, false]);
  });
});
