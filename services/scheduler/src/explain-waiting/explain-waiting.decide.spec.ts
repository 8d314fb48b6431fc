import {
  decideExplanations,
  type ExplainSnapshot,
  type RepositoryPressure,
  type WaitingTask,
} from './explain-waiting.decide.js';

const NOW = Date.parse('2026-05-01T12:00:00Z');
const repository = (over: Partial<RepositoryPressure> = {}): RepositoryPressure => ({
  id: 'r',
  pausedWorkspace: null,
  maxCostUsd: 10,
  credentialPause: null,
  credentialSecret: 'GITHUB_TOKEN',
  credentialSet: true,
  active: 0,
  maxConcurrentTasks: 2,
  freeSlots: 1,
  podRoom: 0,
  podProblem: null,
  ...over,
});
const queued = (over: Partial<WaitingTask> = {}): WaitingTask => ({
  id: 't',
  repositoryId: 'r',
  state: 'queued',
  notBefore: null,
  lastError: null,
  costUsd: 0,
  maxCostUsd: null,
  openDependencies: [],
  pod: null,
  known: null,
  ...over,
});
const making = (pod: Partial<NonNullable<WaitingTask['pod']>>) =>
  queued({
    state: 'provisioning',
    pod: { state: 'provisioning', attempts: 1, problem: null, lastError: null, ...pod },
  });

function explain(
  task: WaitingTask,
  pressure: Partial<RepositoryPressure> = {},
  over: Partial<ExplainSnapshot> = {},
): { readonly code: string; readonly detail: string } | undefined {
  const [first] = decideExplanations({
    now: NOW,
    globalLimit: 5,
    active: 0,
    readyWorkers: 1,
    workerRoom: 1,
    maxPodAttempts: 3,
    repositories: new Map([['r', repository(pressure)]]),
    tasks: [task],
    ...over,
  });
  return first === undefined ? undefined : { code: first.code, detail: first.detail };
}

const image = { code: 'image_missing', detail: 'ErrImageNeverPull: not on the node' } as const;

describe('why a task waits', () => {
  it.each([
    ['waiting_turn', explain(queued()), 'go first'],
    ['dependency', explain(queued({ state: 'waiting', openDependencies: ['0a1b2c3d'] })), '0a1b2c3d'],
    ['paused', explain(queued(), { pausedWorkspace: { by: 'Ada', at: NOW } }), 'Paused by Ada since 12:00 UTC'],
    ['paused', explain(making({}), { pausedWorkspace: { by: null, at: NOW } }), 'Paused since 12:00 UTC'],
    ['money_spent', explain(queued({ costUsd: 10 })), 'The task has cost $10.00 of $10.00'],
    ['money_spent', explain(queued({ costUsd: 2, maxCostUsd: 1.5 })), '$2.00 of $1.50'],
    ['credential_missing', explain(queued(), { credentialSet: false }), 'GITHUB_TOKEN is not set'],
    [
      'rate_limited',
      explain(queued(), { credentialPause: { credential: 'KEY', until: NOW + 600_000, reason: 'too many' } }),
      'KEY is limited until 12:10 UTC: too many',
    ],
    [
      'backing_off',
      explain(queued({ notBefore: NOW + 60_000, lastError: 'it broke' })),
      'Not before 12:01 UTC: it broke',
    ],
    ['no_ready_worker', explain(queued(), {}, { readyWorkers: 0 }), 'No agent runner is alive'],
    ['no_ready_worker', explain(queued(), {}, { workerRoom: 0 }), 'All agent runners are at work'],
    ['no_ready_worker', explain(making({ state: 'ready' }), {}, { readyWorkers: 0 }), 'to start the run'],
    ['repository_limit', explain(queued(), { active: 2 }), '2 of 2'],
    ['global_limit', explain(queued(), {}, { active: 5 }), '5 of 5'],
    ['no_free_slot', explain(queued(), { freeSlots: 0 }), 'All slots'],
    ['image_missing', explain(queued(), { freeSlots: 0, podProblem: image }), 'not on the node'],
    ['pod_provisioning', explain(making({})), 'attempt 2 of 3'],
    ['pod_provisioning', explain(making({ lastError: 'ErrImagePull' })), 'attempt 2 of 3: ErrImagePull'],
    ['image_missing', explain(making({ state: 'error', problem: image })), 'not on the node'],
    ['pod_failed', explain(making({ state: 'error' })), 'could not be made'],
  ])('is told as %s', (code, reason, words) => {
    expect(reason).toMatchObject({ code, detail: expect.stringContaining(words) as unknown });
  });

  it('is not the money where the limit was raised, nor where nothing was spent', () => {
    expect(explain(queued({ costUsd: 12, maxCostUsd: 20 }))).toMatchObject({ code: 'waiting_turn' });
    expect(explain(queued({ maxCostUsd: 0 }))).toMatchObject({ code: 'waiting_turn' });
  });

  it('is no longer the pause once that is over', () => {
    const known = { code: 'paused', detail: 'Paused by Ada since 12:00 UTC' };
    const started = queued({
      state: 'provisioning',
      pod: { state: 'ready', attempts: 0, problem: null, lastError: null },
      known,
    });
    expect(explain(started)).toMatchObject({ code: 'pod_provisioning' });
    expect(explain({ ...started, known: null })).toBeUndefined();
  });

  it('is told again only when it changes', () => {
    const known = explain(queued())!;
    expect(explain(queued({ known }))).toBeUndefined();
    expect(explain(queued({ known }), { active: 2 })).toMatchObject({ code: 'repository_limit' });
  });
});
