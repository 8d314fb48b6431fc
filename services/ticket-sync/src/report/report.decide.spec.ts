import fc from 'fast-check';
import { TASK_STATES, type TaskState } from '@capstan/domain';
import { decideReport, type ReportSnapshot } from './report.decide.js';

const URL = 'https://forge.test/pull/7';
const world = (state: TaskState, reported: string[] = [], change: Partial<ReportSnapshot> = {}): ReportSnapshot => ({
  ticketId: 'ticket',
  reported,
  task: { id: '018f0000-0000-7000-8000-00000000abcd', state, attention: null },
  pullRequest: null,
  commentPending: false,
  ...change,
});
const opened = { pullRequest: { url: URL, state: 'open' as const } };
const step = (snapshot: ReportSnapshot): string => {
  const decided = decideReport(snapshot);
  return decided.kind === 'comment' ? decided.what : decided.kind;
};

it.each<[string, ReportSnapshot, string]>([
  ['picked up', world('queued'), 'picked_up'],
  ['picked up first, whatever came since', world('completed', [], opened), 'picked_up'],
  ['nothing twice', world('running', ['picked_up']), 'nothing'],
  ['the pull request', world('pr_opened', ['picked_up'], opened), 'pull_request'],
  [
    'nothing of a pull request without an address',
    world('running', ['picked_up'], { pullRequest: { url: null, state: 'publishing' } }),
    'nothing',
  ],
  ['done', world('completed', ['picked_up', 'pull_request'], opened), 'done'],
  ['the close after it', world('completed', ['picked_up', 'pull_request', 'done'], opened), 'close'],
  ['nothing after the close', world('completed', ['picked_up', 'pull_request', 'done', 'closed'], opened), 'nothing'],
  ['failed', world('failed', ['picked_up']), 'failed'],
  ['failed for a person who is needed', world('needs_attention', ['picked_up', 'pull_request'], opened), 'failed'],
  ['failed for a cancelled task', world('cancelled', ['picked_up']), 'failed'],
  ['no end twice, but the close', world('completed', ['picked_up', 'failed'], opened), 'close'],
  ['nothing of a pull request after the end', world('pr_opened', ['picked_up', 'failed'], opened), 'nothing'],
  [
    'nothing while a comment is on its way',
    world('completed', ['picked_up'], { ...opened, commentPending: true }),
    'nothing',
  ],
])('says %s', (_, snapshot, expected) => {
  expect(step(snapshot)).toBe(expected);
});

it('tells the reason in the registry’s words and quotes what strangers wrote as code', () => {
  const attention = { code: 'ci_failed', detail: '@everyone `rm` failed\nmore' } as const;
  const decided = decideReport(
    world('needs_attention', ['picked_up'], { task: { id: 'x', state: 'needs_attention', attention } }),
  );
  expect(decided).toMatchObject({ what: 'failed', text: expect.stringContaining("`@everyone 'rm' failed`") as string });
  expect(decided).toMatchObject({ text: expect.stringContaining('Checks stay red.') as string });
  expect(JSON.stringify(decided)).not.toContain('more');
});

it('comments three times at most and closes once, however the task goes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ state: fc.constantFrom(...TASK_STATES), opened: fc.boolean() }), { maxLength: 12 }),
      (life) => {
        const reported: string[] = [];
        for (const { state, opened: hasUrl } of life) {
          const decided = decideReport(world(state, [...reported], hasUrl ? opened : {}));
          if (decided.kind === 'comment') reported.push(decided.what);
          if (decided.kind === 'close') reported.push('closed');
        }
        expect(new Set(reported).size).toBe(reported.length);
        expect(reported.filter((each) => each !== 'closed').length).toBeLessThanOrEqual(3);
      },
    ),
  );
});
