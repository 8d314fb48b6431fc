import { MAX_POD_ATTEMPTS } from '@capstan/domain';
import { decidePod, type PodSnapshot } from './provision-pod.decide.js';

const NOW = 1_800_000_000_000;
const world = (
  pod: Partial<PodSnapshot['pod']> = {},
  observed: Partial<NonNullable<PodSnapshot['observed']>> | null = null,
): PodSnapshot => ({
  now: NOW,
  random: 0,
  readyTimeoutMs: 120_000,
  unschedulableTimeoutMs: 600_000,
  pod: { state: 'provisioning', attempts: 0, notBefore: null, deadlineAt: NOW + 60_000, ...pod },
  observed: observed === null ? null : { phase: 'pending', restarts: 0, isolation: 'not_isolated', ...observed },
});

describe('decidePod', () => {
  it.each([
    ['a new pod', world({ deadlineAt: null }), { kind: 'create', deadlineAt: NOW + 120_000 }],
    ['a pod that is up', world({}, { phase: 'ready' }), { kind: 'ready' }],
    ['a pod that is coming', world({}, {}), { kind: 'none' }],
    ['an image that can never be pulled', world({}, { reason: 'ErrImageNeverPull' }), { kind: 'failed', final: false }],
    [
      'an image that is not pulled at once',
      world({ deadlineAt: NOW + 115_000 }, { reason: 'ErrImagePull' }),
      { kind: 'none' },
    ],
    [
      'an image that is not pulled for a while',
      world({ deadlineAt: NOW + 60_000 }, { reason: 'ErrImagePull' }),
      { kind: 'failed' },
    ],
    ['a pod past its deadline', world({ deadlineAt: NOW - 1 }, {}), { kind: 'failed' }],
    [
      'an unschedulable pod past the deadline',
      world({ deadlineAt: NOW - 1 }, { reason: 'Unschedulable' }),
      { kind: 'none' },
    ],
    [
      'an unschedulable pod for 10 min',
      world({ deadlineAt: NOW - 480_001 }, { reason: 'Unschedulable' }),
      { kind: 'failed' },
    ],
    [
      'the last attempt',
      world({ attempts: MAX_POD_ATTEMPTS - 1 }, { phase: 'failed' }),
      { kind: 'failed', final: true },
    ],
    ['what a former attempt left', world({ attempts: 1, deadlineAt: null }, { phase: 'failed' }), { kind: 'clear' }],
    [
      'what a former attempt left, during the back-off',
      world({ attempts: 1, deadlineAt: null, notBefore: NOW + 1 }, { phase: 'ready' }),
      { kind: 'clear' },
    ],
    [
      'what a former attempt left, and is going',
      world({ attempts: 1, deadlineAt: null }, { phase: 'terminating' }),
      { kind: 'none' },
    ],
    ['a back-off', world({ notBefore: NOW + 1 }, null), { kind: 'none' }],
    ['a ready pod that is gone', world({ state: 'ready' }, null), { kind: 'lost', health: 'crashed' }],
    [
      'a ready pod that was killed',
      world({ state: 'ready' }, { phase: 'failed', reason: 'OOMKilled' }),
      { kind: 'lost', health: 'oom_killed' },
    ],
    ['a healthy pod', world({ state: 'ready' }, { phase: 'ready' }), { kind: 'none' }],
    ['a pod that failed just now', world({ state: 'error', notBefore: NOW + 1 }), { kind: 'none' }],
    ['a pod that failed a while ago', world({ state: 'error', notBefore: NOW - 1 }), { kind: 'delete' }],
    ['a pod that is going', world({ state: 'terminating' }), { kind: 'delete' }],
  ] as const)('%s', (_name, snapshot, expected) => {
    expect(decidePod(snapshot)).toMatchObject(expected);
  });

  const down = (reason?: string, over: Partial<PodSnapshot['pod']> = {}) =>
    world(over, { phase: 'failed', ...(reason === undefined ? {} : { reason }) });
  it.each([
    ['image_missing', down('ErrImageNeverPull')],
    ['image_name_invalid', down('InvalidImageName')],
    ['image_pull_failed', world({ deadlineAt: NOW + 60_000 }, { reason: 'ImagePullBackOff' })],
    ['pod_unschedulable', world({ deadlineAt: NOW - 480_001 }, { reason: 'Unschedulable' })],
    ['pod_timeout', world({ deadlineAt: NOW - 1 }, { reason: 'ContainerCreating' })],
    ['pod_timeout', world({ deadlineAt: NOW - 1 }, null)],
    ['pod_failed', down('CrashLoopBackOff')],
    ['pod_failed', down()],
    ['pod_out_of_memory', down('OOMKilled', { state: 'ready' })],
    ['pod_evicted', down('Evicted', { state: 'ready' })],
    ['pod_lost', down('Error', { state: 'ready' })],
    ['pod_lost', world({ state: 'ready' }, null)],
  ] as const)('calls it %s', (code, snapshot) => {
    expect(decidePod(snapshot)).toMatchObject({ code });
  });
});
