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
  rateLimited,
  sessionLost,
} from '../judge-exit.js';

/** The `result` event, as far as the judge needs it. */
export interface GeminiResult {
  readonly ok: boolean;
  /** Class of the error in the CLI; mostly `unknown`. */
  readonly type?: string;
  readonly message?: string;
  /** HTTP status, from the API's own answer. */
  readonly status?: number;
  /** Reasons in the API's own answer, from a closed list of Google's. */
  readonly reasons?: readonly string[];
  /** When the limit that was reached ends, ISO 8601. */
  readonly resetAt?: string;
}

/** Facts that are folded over a run's output. */
export interface GeminiFacts extends EventFacts {
  /** A model endpoint that isn't Google's, and has prices of its own. */
  readonly foreign?: boolean;
  /** The model that `init` named. */
  readonly model?: string;
  /** The model's turn is under way: what it says and calls till the first result of a tool. */
  readonly inTurn?: boolean;
  readonly result?: GeminiResult;
}

/** Exit codes of the CLI's own. */
const AUTHENTICATION = 41;
const INPUT = 42;
const TURN_LIMIT = 53;

/**
 * Decides from the last result and the exit. A result that claims success is nothing beside an exit that was none: the
 * CLI's child goes on, and prints one, after the launcher was killed.
 */
export function judgeGemini(state: ParseState, exit: RunExit): Judgement {
  const facts: GeminiFacts = state.facts;
  const ended = endedByCapstan(exit, state);
  if (ended !== null) return { verdict: 'outcome', outcome: ended };
  const own = ownExit(exit.code, facts);
  if (own !== null) return { verdict: 'outcome', outcome: own };
  if (facts.result?.ok === false) return { verdict: 'outcome', outcome: failure(facts.result, exit.code) };
  return judgeExit(exit, facts.lastStderr);
}

function ownExit(code: number | null, { resumed, begun, result, lastStderr }: GeminiFacts): RunOutcome | null {
  const message = result?.message ?? lastStderr;
  switch (code) {
    case AUTHENTICATION:
      return credentialRefused(message);
    case INPUT:
      // Before it began there is one input that it can refuse, for a prompt there always is: the session to go on from.
      return resumed === true && begun !== true ? sessionLost(message) : null;
    case TURN_LIMIT:
      return limitReached('turn_limit', message);
    default:
      return null;
  }
}

function failure(result: GeminiResult, code: number | null): RunOutcome {
  const { type, message, resetAt } = result;
  switch (type) {
    case 'TerminalQuotaError':
    case 'RetryableQuotaError':
      return rateLimited(message, resetAt);
    case 'ModelNotFoundError':
      return modelUnknown(message);
    default: {
      // A wrong key is a 400 like any faulty request; only the reason tells, which compatible endpoints don't give.
      if (result.reasons?.includes('API_KEY_INVALID') === true) return credentialRefused(message);
      const status = statusOf(code) ?? result.status;
      return status === undefined ? agentFailed(message) : statusOutcome(status, message, resetAt);
    }
  }
}

/** The exit code of a failing result is the HTTP status, of which a process keeps the low eight bits: 401 is 145. */
function statusOf(code: number | null): number | undefined {
  const status = (code ?? 0) + 256;
  return status >= 400 ? status : undefined;
}
