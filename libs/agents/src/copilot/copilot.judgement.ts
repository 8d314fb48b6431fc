import type { RunExit, RunOutcome } from '@capstan/domain';
import type { Judgement, ParseState } from '../agent.port.js';
import { statusOutcome } from '../cli/provider-status.js';
import type { EventFacts } from '../cli/read-event.js';
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

/** A `session.error` event, as far as the judge needs it. */
export interface CopilotError {
  readonly type: string;
  readonly code?: string;
  readonly status?: number;
  readonly message: string;
}

/** Facts that are folded over a run's output. A later run of the same session gets them as `former`. */
export interface CopilotFacts extends EventFacts {
  /** The session; an earlier run's until this one's is known, which only the last line names. */
  readonly session?: string;
  /** The last error that no turn came after. */
  readonly error?: CopilotError;
  /** The last call of the model got no answer at all. */
  readonly unanswered?: boolean;
  /** Exit code in the last line, which a run that was killed doesn't have. */
  readonly exitCode?: number;
}

/**
 * Decides from the last error, the last line and the exit. A session that isn't there ends the CLI before its first
 * event, as a missing log-in does, which can't be told apart; that one fails the next run as well, without a session and
 * by its own name.
 */
export function judgeCopilot(state: ParseState, exit: RunExit): Judgement {
  const { error, unanswered, exitCode, resumed, begun, lastStderr }: CopilotFacts = state.facts;
  const ended = endedByCapstan(exit, state);
  if (ended !== null) return { verdict: 'outcome', outcome: ended };
  if (error !== undefined && exitCode !== 0)
    return { verdict: 'outcome', outcome: failure(error, unanswered === true) };
  if (exit.code === 0 && exitCode !== undefined && exitCode !== 0)
    return { verdict: 'outcome', outcome: agentFailed(`exit code ${exitCode}`) };
  if (resumed === true && begun !== true && exit.code === 1)
    return { verdict: 'outcome', outcome: sessionLost(lastStderr) };
  return judgeExit(exit, lastStderr);
}

function failure({ type, code, status, message }: CopilotError, unanswered: boolean): RunOutcome {
  switch (type) {
    case 'authentication':
    case 'authorization':
      return credentialRefused(message);
    case 'quota':
      // A session's quota comes back by itself; an account's needs a person.
      return code === 'session_quota_exceeded' ? rateLimited(message) : credentialRefused(message);
    case 'rate_limit':
      return rateLimited(message);
    case 'context_limit':
      return limitReached('agent_limit_reached', message);
    default:
      if (status !== undefined) return statusOutcome(status, message);
      return unanswered ? providerUnavailable(message) : agentFailed(message);
  }
}
