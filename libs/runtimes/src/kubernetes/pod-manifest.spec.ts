import type { V1Pod } from '@kubernetes/client-node';
import { observePod } from './observed-pod.js';
import { exitCode } from './pod-exec.js';
import { podManifest } from './pod-manifest.js';

describe('pod manifest', () => {
  it('is this, to the letter', () => {
    const spec = {
      name: 'repo-1',
      labels: { 'capstan.dev/repository': 'r1' },
      env: { npm_config_cache: '/capstan/npm' },
    };
    const settings = {
      ...{ namespace: 'agents', defaultImage: 'agent:1', supervisorMap: 'capstan-supervisor-abc' },
      resources: { limits: { memory: '4Gi' } },
    };
    expect(podManifest(spec, settings)).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'repo-1', namespace: 'agents', labels: { 'capstan.dev/repository': 'r1' } },
      spec: {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 5,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          fsGroup: 1000,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name: 'agents',
            image: 'agent:1',
            command: ['node', '/opt/capstan/supervisor.mjs', 'init', '--root', '/capstan'],
            workingDir: '/capstan',
            env: [{ name: 'npm_config_cache', value: '/capstan/npm' }],
            resources: { limits: { memory: '4Gi' } },
            securityContext: { allowPrivilegeEscalation: false, privileged: false, capabilities: { drop: ['ALL'] } },
            volumeMounts: [
              { name: 'root', mountPath: '/capstan' },
              { name: 'supervisor', mountPath: '/opt/capstan', readOnly: true },
            ],
          },
        ],
        volumes: [
          { name: 'root', emptyDir: {} },
          { name: 'supervisor', configMap: { name: 'capstan-supervisor-abc' } },
        ],
      },
    });
  });

  it("takes the spec's own image and pull policy", () => {
    const settings = { namespace: 'n', defaultImage: 'a', supervisorMap: 'm', imagePullPolicy: 'Never' as const };
    const [container] = podManifest({ name: 'p', labels: {}, image: 'b' }, settings).spec?.containers ?? [];
    expect([container?.image, container?.imagePullPolicy]).toEqual(['b', 'Never']);
  });
});

type ContainerStatus = NonNullable<NonNullable<V1Pod['status']>['containerStatuses']>[number];

function pod(status: V1Pod['status'], container: Partial<ContainerStatus> = {}, more: V1Pod['metadata'] = {}): V1Pod {
  const base = { name: 'agents', image: 'i', imageID: '', ready: false, restartCount: 0 };
  return {
    metadata: { name: 'p', labels: { a: 'b' }, ...more },
    status: { ...status, containerStatuses: [{ ...base, ...container }] },
  };
}
const waiting = (reason: string): Partial<ContainerStatus> => ({ state: { waiting: { reason, message: 'why' } } });
const unscheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' };

describe('observed pod', () => {
  it.each<[string, V1Pod, object]>([
    ['ready', pod({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }), { phase: 'ready' }],
    ['terminating', pod({ phase: 'Running' }, {}, { deletionTimestamp: new Date(0) }), { phase: 'terminating' }],
    [
      'never pulled',
      pod({ phase: 'Pending' }, waiting('ErrImageNeverPull')),
      { phase: 'failed', reason: 'ErrImageNeverPull', message: 'why' },
    ],
    [
      'bad name',
      pod({ phase: 'Pending' }, waiting('InvalidImageName')),
      { phase: 'failed', reason: 'InvalidImageName' },
    ],
    [
      'back-off',
      pod({ phase: 'Pending' }, waiting('ImagePullBackOff')),
      { phase: 'pending', reason: 'ImagePullBackOff' },
    ],
    ['pull error', pod({ phase: 'Pending' }, waiting('ErrImagePull')), { phase: 'pending', reason: 'ErrImagePull' }],
    [
      'unschedulable',
      pod({ phase: 'Pending', conditions: [unscheduled] }),
      { phase: 'pending', reason: 'Unschedulable', message: '0/1 nodes' },
    ],
    ['evicted', pod({ phase: 'Failed', reason: 'Evicted', message: 'disk' }), { phase: 'failed', reason: 'Evicted' }],
    ['nothing yet', { metadata: { name: 'p' } }, { phase: 'pending', labels: {}, restarts: 0 }],
  ])('%s', (_, given, wanted) => {
    expect(observePod(given, 0)).toMatchObject(wanted);
  });

  it('tells an OOM kill once, also while the container waits for its restart', () => {
    const lastState = { terminated: { exitCode: 137, reason: 'OOMKilled' } };
    const killed = pod({ phase: 'Running' }, { ...waiting('CrashLoopBackOff'), restartCount: 2, lastState });
    expect(observePod(killed, 1)).toMatchObject({
      phase: 'pending',
      reason: 'OOMKilled',
      health: ['oom_killed', 'restarted'],
    });
    expect(observePod(killed, 2).health).toEqual([]);
  });

  it('tells any other end as a crash', () => {
    const crashed = pod({ phase: 'Running' }, { restartCount: 1, lastState: { terminated: { exitCode: 1 } } });
    expect(observePod(crashed, 0).health).toEqual(['crashed', 'restarted']);
  });
});

describe('exit code of an exec', () => {
  it.each([
    [{ status: 'Success' }, 0],
    [{ status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '7' }] } }, 7],
    [{ status: 'Failure', reason: 'InternalError', message: 'no such file' }, undefined],
    [{ status: 'Failure', reason: 'NonZeroExitCode' }, undefined],
  ])('%j → %p', (status, code) => expect(exitCode(status)).toBe(code));
});
