import type { AgentInvocation } from '../agent.port.js';

/** Providers whose keys the model door knows how to add. */
export type ModelProvider = 'anthropic' | 'openai' | 'gemini';

/**
 * Where an agent finds its model: at Capstan's door where the pod has one, which knows the repository's `baseUrl` by
 * itself, else at `baseUrl`. Undefined: at the provider's own address. `path` is what the agent's program takes for part
 * of the address where the door counts it to the request, e.g. `/v1`.
 */
export function modelAddress(
  { modelDoor }: Pick<AgentInvocation, 'modelDoor'>,
  provider: ModelProvider,
  { baseUrl, path = '' }: { readonly baseUrl?: string | undefined; readonly path?: string } = {},
): string | undefined {
  return modelDoor === undefined ? baseUrl : `${modelDoor}/model/${provider}${path}`;
}
