import type { RunExit, RunOutcome } from '@capstan/domain';
import type { Judgement, ParseState } from '../agent.port.js';
import {
  agentFailed,
  credentialRefused,
  endedByCapstan,
  judgeExit,
  limitReached,
  providerUnavailable,
  rateLimited,
  sessionLost,
} from '../judge-exit.js';

/** The CLI's last word, of which the judge needs this much. */
export interface ClaudeResult {
  readonly ok: boolean;
  readonly index: number;
  readonly subtype: string;
  readonly reason?: string;
  readonly status?: number;
  readonly message?: string;
}

/** Facts that are folded over a run's output. */
export interface ClaudeFacts {
  /** The CLI printed its `init`: it found the session that it was to go on from, or began one. */
  readonly begun?: boolean;
  readonly result?: ClaudeResult;
  /** What the last API call failed of, in the CLI's own closed list. */
  readonly apiError?: string;
  /** When the limit that was reached ends, ISO 8601. */
  readonly resetAt?: string;
  readonly lastStderr?: string;
  /** Id of the last answer of the model that was counted as a turn. */
  readonly lastMessage?: string;
}

/** Errors of the API that a person has to cure at the credential or its account. */
const CREDENTIAL_ERRORS = new Set([
  'authentication_failed',
  'oauth_org_not_allowed',
  'account_on_hold',
  'verification_required',
  'billing_error',
  'cloud_credential_error',
]);
const OVERLOADED = 529;

export function isCredentialError(error: string): boolean {
  return CREDENTIAL_ERRORS.has(error);
}

/**
 * Decides from the exit record and the last result. Its `subtype` says nothing: an API failure comes as a `success` with
 * `is_error`. Without a result the exit alone decides, and an exit of 0 after an interrupt does have one.
 */
export function judgeClaude(state: ParseState, exit: RunExit): Judgement {
  const facts = state.facts as ClaudeFacts;
  const ended = endedByCapstan(exit, state);
  if (ended !== null) return { verdict: 'outcome', outcome: ended };
  const { result } = facts;
  if (result === undefined) return judgeExit(exit, facts.lastStderr);
  if (!result.ok) return { verdict: 'outcome', outcome: failure(result, facts) };
  // The result is a claim; a process that died after it may have left half a commit.
  return judgeExit(exit, facts.lastStderr);
}

function failure(result: ClaudeResult, { begun, apiError, resetAt }: ClaudeFacts): RunOutcome {
  const { message, status, reason, subtype } = result;
  if (subtype === 'error_max_turns') return limitReached('turn_limit', message);
  if (subtype === 'error_max_budget_usd') return limitReached('cost_limit', message);
  if (subtype === 'error_during_execution' && begun !== true) return sessionLost(message);
  if (reason?.startsWith('aborted') === true)
    return { kind: 'stopped', detail: 'The agent was interrupted, and nobody told it to go on' };
  if (apiError !== undefined && isCredentialError(apiError)) return credentialRefused(message);
  if (apiError === 'rate_limit' || apiError === 'overloaded' || status === OVERLOADED)
    return rateLimited(message, resetAt);
  if (apiError === 'model_not_found')
    return {
      kind: 'failed',
      detail: message ?? 'The provider has no such model',
      symptom: 'agent_model_unknown',
    };
  if (apiError === 'server_error') return providerUnavailable(message);
  return agentFailed(message);
}
