/** Why something was refused; the closed list that is recorded. */
export type RefusalReason =
  | 'address_metadata'
  | 'address_own'
  | 'address_private'
  | 'body_too_long'
  | 'budget'
  | 'forge_refused'
  | 'git_blocked'
  | 'host_blocked'
  | 'key_missing'
  | 'keys_paused'
  | 'name_unresolved'
  | 'not_understood'
  | 'path_blocked'
  | 'port_blocked'
  | 'provider_blocked'
  | 'run_over'
  | 'tls_name_differs'
  | 'token_missing'
  | 'token_wrong'
  | 'too_many'
  | 'unavailable'
  | 'unreachable';

/** A no, with what to answer. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly status: number;
  /** What, why, and what helps: for the agent, and for whoever reads its log. */
  readonly words: string;
  /** When to come again, in seconds. */
  readonly retryAfter?: number;
}

export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return 'reason' in value && 'words' in value;
}
