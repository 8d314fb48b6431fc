import type { Actor } from '../task/task.js';
import type { Id } from '../ids.js';

/** The protocols in which agents speak to models, each called after the provider that made it. */
export const MODEL_PROTOCOLS = ['anthropic', 'openai', 'gemini'] as const;
export type ModelProtocol = (typeof MODEL_PROTOCOLS)[number];

/**
 * One step of a workspace's fail-over order: a key or an account of the protocol's own provider, by its secret's name ·
 * another provider that answers in the protocol, with a secret that goes nowhere else.
 */
export type ModelOrderEntry =
  | { readonly kind: 'key'; readonly secret: string }
  | {
      readonly kind: 'compatible';
      /** Where its API begins, e.g. `https://openrouter.ai/api/v1`. */
      readonly baseUrl: string;
      readonly secret: string;
      /** What its models are called there, by the name that agents ask for; `*` is every other. Not there: the same. */
      readonly models: Readonly<Record<string, string>>;
    };

/** The most steps of an order. */
export const MAX_MODEL_ORDER = 20;

/**
 * Whose own keys a task uses before the workspace's: those of the person who made it. What came from a ticket, or from
 * Capstan itself, is the workspace's. Null: nobody's.
 */
export function personOf({ kind, id }: Actor): Id | null {
  return kind === 'user' ? id : null;
}
