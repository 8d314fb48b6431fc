import type { RunExit, RunOutcome } from '@capstan/domain';
import type { Judgement, ParseState } from '../agent.port.js';
import { modelUnknown, statusOutcome } from '../cli/provider-status.js';
import type { EventFacts } from '../cli/read-event.js';
import {
  agentFailed,
  credentialRefused,
  endedByCapstan,
  judgeExit,
  limitReached,
  providerUnavailable,
  sessionLost,
} from '../judge-exit.js';

/** An `error` event, as far as the judge needs it. */
export interface OpencodeError {
  readonly name: string;
  readonly status?: number;
  readonly retryable?: boolean;
  readonly message?: string;
  /** When the limit that was reached ends, ISO 8601. */
  readonly resetAt?: string;
}

/** Facts that are folded over a run's output. */
export interface OpencodeFacts extends EventFacts {
  /** The model of the settings: events name none. */
  readonly model?: string;
  /** Dollars of the steps so far. */
  readonly cost?: number;
  /** A step used tokens and cost nothing: OpenCode doesn't know the model's price. */
  readonly unpriced?: boolean;
  /** The last error that no step came after. */
  readonly error?: OpencodeError;
}

/**
 * OpenCode has no last word: an error that nothing came after is one, else the exit decides. A session that isn't there
 * ends it before the first event, as a faulty configuration does, which can't be told apart; that one fails the next run
 * as well, without a session and by its own name.
 */
export function judgeOpencode(state: ParseState, exit: RunExit): Judgement {
  const { error, resumed, begun, lastStderr }: OpencodeFacts = state.facts;
  const ended = endedByCapstan(exit, state);
  if (ended !== null) return { verdict: 'outcome', outcome: ended };
  if (error !== undefined) return { verdict: 'outcome', outcome: failure(error) };
  if (resumed === true && begun !== true && exit.code === 1)
    return { verdict: 'outcome', outcome: sessionLost(lastStderr) };
  return judgeExit(exit, lastStderr);
}

function failure({ name, status, retryable, message = name, resetAt }: OpencodeError): RunOutcome {
  switch (name) {
    case 'ProviderAuthError':
      return credentialRefused(message);
    case 'ProviderModelNotFoundError':
      return modelUnknown(message);
    case 'ContextOverflowError':
    case 'MessageOutputLengthError':
      return limitReached('agent_limit_reached', message);
    default:
      if (status !== undefined) return statusOutcome(status, message, resetAt);
      // Without a status the provider gave no answer; it is only worth another run where OpenCode says so.
      return retryable === true ? providerUnavailable(message) : agentFailed(message);
  }
}
