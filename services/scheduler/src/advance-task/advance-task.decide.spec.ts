import fc from 'fast-check';
import {
  MAX_CI_RESUMES,
  MAX_RETRIES,
  OUTCOME_KINDS,
  PULL_REQUEST_STATES,
  RUN_STATES,
  TASK_INTENTS,
  TASK_STATES,
  canTransition,
  type RunOutcome,
} from '@capstan/domain';
import { UNCONFIRMED_AFTER_MS, decideAdvance, type AdvanceSnapshot } from './advance-task.decide.js';

const NOW = 1_800_000_000_000;

const world = (over: Partial<AdvanceSnapshot> = {}, task: Partial<AdvanceSnapshot['task']> = {}): AdvanceSnapshot => ({
  now: NOW,
  random: 0.5,
  task: {
    id: 't',
    kind: 'change',
    state: 'running',
    intent: null,
    intentAt: null,
    retries: 0,
    ciResumes: 0,
    generation: 1,
    maxCostUsd: 10,
    attention: null,
    hasMessages: false,
    ...task,
  },
  run: null,
  pullRequest: null,
  dependencies: [],
  costUsd: 0,
  redBefore: [],
  ...over,
});
const finished = (outcome: Partial<RunOutcome> & Pick<RunOutcome, 'kind'>) =>
  ({ id: 'r', state: 'finished', generation: 1, outcome: { detail: 'words', ...outcome } }) as const;
const opened = (over: Partial<NonNullable<AdvanceSnapshot['pullRequest']>> = {}) =>
  ({ id: 'p', runId: 'r', state: 'open', number: 7, refusal: null, headSha: 'abc', ...over }) as const;

function step(snapshot: AdvanceSnapshot): string {
  const plan = decideAdvance(snapshot);
  return plan.kind === 'none' ? 'none' : plan.transition;
}

describe('decideAdvance', () => {
  it('gives what people wrote a run of its own, wherever the task would come to rest', () => {
    const told = { hasMessages: true };
    const steps = (over: Partial<AdvanceSnapshot>, task: Partial<AdvanceSnapshot['task']> = {}) => {
      const plan = decideAdvance(world(over, { ...told, ...task }));
      return plan.kind === 'none' ? 'none' : [plan.transition, plan.patch.runReason];
    };
    const nothing = finished({ kind: 'no_changes', symptom: 'no_changes' });
    expect(steps({ run: nothing })).toEqual(['requeue', 'message']);
    expect(steps({ run: nothing }, { kind: 'job' })).toEqual(['requeue', 'message']);
    expect(steps({ run: finished({ kind: 'commits' }) }, { kind: 'review' })).toEqual(['requeue', 'message']);
    expect(steps({ run: finished({ kind: 'commits' }) })).toBe('none');
    expect(steps({ pullRequest: opened() }, { state: 'pr_opened' })).toEqual(['sendBack', 'message']);
    expect(steps({ pullRequest: opened({ state: 'merged' }) }, { state: 'pr_opened' })).toEqual([
      'complete',
      undefined,
    ]);
    expect(steps({ run: nothing, costUsd: 10 })).toEqual(['needAttention', undefined]);
    expect(steps({ pullRequest: opened(), costUsd: 10 }, { state: 'pr_opened' })).toBe('none');
  });

  it('returns to the next run what a run was told that did not act on it', () => {
    for (const kind of ['lost', 'stopped', 'failed', 'rate_limited', 'credential_refused'] as const)
      expect(decideAdvance(world({ run: finished({ kind }) }))).toMatchObject({ returnMessages: true });
    for (const kind of ['commits', 'no_changes', 'limit_reached'] as const)
      expect(decideAdvance(world({ run: finished({ kind }) }))).not.toHaveProperty('returnMessages');
    const over = { run: finished({ kind: 'stopped' }) };
    expect(decideAdvance(world(over, { intent: 'restart' }))).toMatchObject({ returnMessages: true });
    expect(decideAdvance(world(over, { intent: 'redo' }))).toMatchObject({ dropMessages: true });
  });

  it('says that the money is spent where red checks would have sent the agent back in', () => {
    const red = { pullRequest: opened({ refusal: { code: 'ci_failed', detail: 'test is red' } }), costUsd: 10 };
    expect(decideAdvance(world(red, { state: 'pr_opened' }))).toMatchObject({
      transition: 'needAttention',
      patch: { attention: { code: 'cost_limit' } },
    });
  });

  it.each([
    [
      'an agent that started',
      world({ run: { id: 'r', state: 'running', outcome: null, generation: 1 } }, { state: 'provisioning' }),
      'start',
    ],
    ['commits that are not published yet', world({ run: finished({ kind: 'commits' }) }), 'none'],
    [
      'commits of a former pull request’s run',
      world({ run: finished({ kind: 'commits' }), pullRequest: opened({ runId: 'old' }) }),
      'none',
    ],
    ['an open pull request', world({ run: finished({ kind: 'commits' }), pullRequest: opened() }), 'openPullRequest'],
    [
      'work that was not published',
      world({ run: finished({ kind: 'commits' }), pullRequest: opened({ state: 'refused' }) }),
      'needAttention',
    ],
    ['a job with commits', world({ run: finished({ kind: 'commits' }) }, { kind: 'job' }), 'complete'],
    ['no changes', world({ run: finished({ kind: 'no_changes', symptom: 'no_changes' }) }), 'needAttention'],
    [
      'a refused credential',
      world({ run: finished({ kind: 'credential_refused', symptom: 'credential_refused' }) }),
      'fail',
    ],
    ['a rate limit', world({ run: finished({ kind: 'rate_limited' }) }), 'requeue'],
    ['a limit', world({ run: finished({ kind: 'limit_reached', symptom: 'run_time_limit' }) }), 'needAttention'],
    ['a lost run', world({ run: finished({ kind: 'lost', symptom: 'run_lost' }) }), 'requeue'],
    [
      'a lost run at the cap',
      world({ run: finished({ kind: 'lost', symptom: 'run_lost' }) }, { retries: MAX_RETRIES }),
      'fail',
    ],
    ['an agent’s own failure', world({ run: finished({ kind: 'failed', symptom: 'agent_failed' }) }), 'fail'],
    [
      'a failed preparation',
      world({ run: finished({ kind: 'failed', symptom: 'prepare_failed' }) }, { state: 'provisioning' }),
      'requeue',
    ],
    ['a lost run that has cost too much', world({ run: finished({ kind: 'lost' }), costUsd: 10 }), 'needAttention'],
    [
      'red checks',
      world({ pullRequest: opened({ refusal: { code: 'ci_failed', detail: 'x' } }) }, { state: 'pr_opened' }),
      'sendBack',
    ],
    [
      'red checks at the cap',
      world(
        { pullRequest: opened({ refusal: { code: 'ci_failed', detail: 'x' } }) },
        { state: 'pr_opened', ciResumes: MAX_CI_RESUMES },
      ),
      'needAttention',
    ],
    [
      'checks that are red in the same words for the fourth time',
      world(
        {
          pullRequest: opened({
            refusal: { code: 'ci_failed', detail: 'abcdef1 failing checks: test\n2 of 9 in 3.4 s' },
          }),
          redBefore: [
            '1234567 failing checks: test\n2 of 9 in 3.9 s',
            ...Array(2).fill('failing checks: test\n7 of 8 in 1.0 s'),
          ].map((told) => told.replace(/^failing/, '7654321 failing')),
        },
        { state: 'pr_opened', ciResumes: 3 },
      ),
      'needAttention',
    ],
    [
      'checks that are red in other words than before',
      world(
        {
          pullRequest: opened({ refusal: { code: 'ci_failed', detail: 'abcdef1 failing checks: test\nb is red' } }),
          redBefore: ['a is red', 'b is red', 'b is red'].map((words) => `1234567 failing checks: test\n${words}`),
        },
        { state: 'pr_opened', ciResumes: 3 },
      ),
      'sendBack',
    ],
    [
      'a closed pull request',
      world({ pullRequest: opened({ state: 'closed' }) }, { state: 'pr_opened' }),
      'needAttention',
    ],
    ['a healthy pull request', world({ pullRequest: opened() }, { state: 'pr_opened' }), 'none'],
    [
      'met dependencies',
      world({ dependencies: [{ shortId: 'a', state: 'completed' }] }, { state: 'waiting' }),
      'dependenciesMet',
    ],
    [
      'open dependencies',
      world({ dependencies: [{ shortId: 'a', state: 'pr_opened' }] }, { state: 'waiting' }),
      'none',
    ],
    [
      'a failed dependency',
      world({ dependencies: [{ shortId: 'a', state: 'failed' }] }, { state: 'waiting' }),
      'dependencyFailed',
    ],
    [
      'a cancel while the agent lives',
      world({ run: { id: 'r', state: 'running', outcome: null, generation: 1 } }, { intent: 'cancel', intentAt: NOW }),
      'none',
    ],
    [
      'a cancel when the agent is gone',
      world({ run: finished({ kind: 'stopped' }) }, { intent: 'cancel', intentAt: NOW }),
      'cancel',
    ],
    [
      'a restart when the agent is gone',
      world({ run: finished({ kind: 'stopped' }) }, { intent: 'restart', intentAt: NOW }),
      'requeue',
    ],
  ] as const)('%s', (_name, snapshot, expected) => {
    expect(step(snapshot)).toBe(expected);
  });

  it.each(TASK_STATES.filter((state) => state !== 'completed' && state !== 'waiting'))(
    'a merge completes a %s task',
    (state) => {
      expect(step(world({ pullRequest: opened({ state: 'merged' }) }, { state }))).toBe('complete');
    },
  );

  it('asks a person when the money is spent, and tells where a run went that is not there', () => {
    const spent = { costUsd: 10, run: finished({ kind: 'lost', symptom: 'pod_lost' }) } as const;
    expect(decideAdvance(world(spent))).toMatchObject({
      transition: 'needAttention',
      patch: { attention: { code: 'cost_limit', detail: 'The task has cost $10.00 of $10.00' } },
    });
    expect(decideAdvance(world({ run: null }, { retries: MAX_RETRIES }))).toMatchObject({
      transition: 'fail',
      patch: { attention: { code: 'run_lost' } },
    });
  });

  it('cancels without the agent’s word after 60 s, and fences the run', () => {
    const plan = decideAdvance(
      world(
        { run: { id: 'r', state: 'running', outcome: null, generation: 1 } },
        { intent: 'cancel', intentAt: NOW - UNCONFIRMED_AFTER_MS },
      ),
    );
    expect(plan).toMatchObject({
      transition: 'cancel',
      fenceRun: true,
      patch: { agentUnconfirmed: true, intent: null },
    });
  });

  it('uses no attempt for a rate limit, and waits until its end', () => {
    const resetAt = new Date(NOW + 3_600_000).toISOString();
    const plan = decideAdvance(world({ run: finished({ kind: 'rate_limited', resetAt, credential: 'KEY' }) }));
    expect(plan).toMatchObject({
      patch: { notBefore: new Date(resetAt) },
      pauseCredential: { credential: 'KEY', until: NOW + 3_600_000 },
    });
    expect(plan).not.toHaveProperty('patch.retries');
  });

  it('starts a redo on the next generation without a branch', () => {
    const plan = decideAdvance(world({ run: finished({ kind: 'stopped' }) }, { intent: 'redo', intentAt: NOW }));
    expect(plan).toMatchObject({ patch: { generation: 2, branch: null, retries: 0 } });
  });

  it('never plans an illegal transition, whatever the world looks like', () => {
    const outcome = fc.record({
      kind: fc.constantFrom(...OUTCOME_KINDS),
      detail: fc.string(),
      symptom: fc.option(fc.constantFrom('run_lost', 'agent_failed', 'nonsense'), { nil: undefined }),
    });
    const run = fc.constantFrom(...RUN_STATES).chain((state) =>
      (state === 'finished' ? outcome : fc.constant(null)).map((value) => ({
        id: 'r',
        state,
        outcome: value as RunOutcome | null,
        generation: 1,
      })),
    );
    const anything = fc.record({
      state: fc.constantFrom(...TASK_STATES),
      intent: fc.option(fc.constantFrom(...TASK_INTENTS)),
      intentAt: fc.integer({ min: NOW - 120_000, max: NOW }),
      retries: fc.nat(4),
      ciResumes: fc.nat(4),
      run: fc.option(run),
      pullRequest: fc.option(
        fc.record({
          state: fc.constantFrom(...PULL_REQUEST_STATES),
          runId: fc.constantFrom('r', 'old'),
          refusal: fc.option(fc.record({ code: fc.constantFrom('ci_failed', 'no_checks'), detail: fc.string() })),
        }),
      ),
      costUsd: fc.constantFrom(0, 100),
    });
    fc.assert(
      fc.property(
        anything,
        ({ state, intent, intentAt, retries, ciResumes, run: currentRun, pullRequest, costUsd }) => {
          // Requests set an intent only while a run may be alive.
          const applies = state === 'provisioning' || state === 'running' ? intent : null;
          const plan = decideAdvance(
            world(
              { run: currentRun, pullRequest: pullRequest === null ? null : opened(pullRequest), costUsd },
              { state, intent: applies, intentAt, retries, ciResumes },
            ),
          );
          if (plan.kind === 'transition') expect(canTransition(plan.transition, state)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a rate limit', () => {
  const limited = (resetAt: string, costUsd = 0) =>
    decideAdvance(world({ run: finished({ kind: 'rate_limited', resetAt }), costUsd }));
  it.each([
    ['the past', NOW - 60_000, NOW + 10_000],
    ['a year that is far away', Date.parse('9000-01-01T00:00:00Z'), NOW + 7 * 86_400_000],
    ['an hour', NOW + 3_600_000, NOW + 3_600_000],
  ])('until %s is waited for within bounds', (_name, resetAt, until) => {
    expect(limited(new Date(resetAt).toISOString())).toMatchObject({
      transition: 'requeue',
      patch: { notBefore: new Date(until) },
    });
  });
  it('ends at the cost limit, for it takes no attempt', () => {
    expect(limited(new Date(NOW).toISOString(), 10)).toMatchObject({
      transition: 'needAttention',
      patch: { attention: { code: 'cost_limit' } },
    });
  });
});
