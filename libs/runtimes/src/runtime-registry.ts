import { unreachable } from '@capstan/domain';
import { KubernetesRuntime } from './kubernetes/kubernetes.adapter.js';
import type { KubernetesRuntimeConfig } from './kubernetes/kubernetes.adapter.js';
import { LocalRuntime } from './local/local.adapter.js';
import type { LocalRuntimeConfig } from './local/local.adapter.js';
import type { Runtime } from './runtime.port.js';

export type RuntimeConfig =
  ({ readonly kind: 'local' } & LocalRuntimeConfig) | ({ readonly kind: 'kubernetes' } & KubernetesRuntimeConfig);

/** The runtime that a configuration names. Asks nothing of the platform yet. */
export function createRuntime(config: RuntimeConfig): Runtime {
  switch (config.kind) {
    case 'local':
      return new LocalRuntime(config);
    case 'kubernetes':
      return new KubernetesRuntime(config);
    default:
      return unreachable(config);
  }
}
