import type { V1Pod, V1ResourceRequirements } from '@kubernetes/client-node';
import type { PodSpec } from '../runtime.port.js';

/** Where everything of Capstan's is, as seen in a pod. */
export const POD_ROOT = '/capstan';
const SUPERVISOR_DIRECTORY = '/opt/capstan';
export const SUPERVISOR_PATH = `${SUPERVISOR_DIRECTORY}/supervisor.mjs`;
export const CONTAINER = 'agents';
/** Uid and gid of everything in a pod. */
const USER = 1000;

export interface ManifestSettings {
  readonly namespace: string;
  readonly defaultImage: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly resources?: V1ResourceRequirements;
  /** Name of the ConfigMap that holds the supervisor. */
  readonly supervisorMap: string;
}

/**
 * The pod that a spec asks for. Non-root, without capabilities, service-account token or service variables, under the
 * runtime's default seccomp profile. The supervisor comes from a ConfigMap, read-only and named by its content: a pod
 * keeps the one that it was made with, and the agent can't replace it. The root outlives a restart of the container.
 */
export function podManifest(spec: PodSpec, settings: ManifestSettings): V1Pod {
  const env = Object.entries(spec.env ?? {}).map(([name, value]) => ({ name, value }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: spec.name, namespace: settings.namespace, labels: { ...spec.labels } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 5,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: USER,
        fsGroup: USER,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: CONTAINER,
          image: spec.image ?? settings.defaultImage,
          ...(settings.imagePullPolicy && { imagePullPolicy: settings.imagePullPolicy }),
          command: ['node', SUPERVISOR_PATH, 'init', '--root', POD_ROOT],
          workingDir: POD_ROOT,
          env,
          ...(settings.resources && { resources: settings.resources }),
          securityContext: { allowPrivilegeEscalation: false, privileged: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: [
            { name: 'root', mountPath: POD_ROOT },
            { name: 'supervisor', mountPath: SUPERVISOR_DIRECTORY, readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: 'root', emptyDir: {} },
        { name: 'supervisor', configMap: { name: settings.supervisorMap } },
      ],
    },
  };
}
