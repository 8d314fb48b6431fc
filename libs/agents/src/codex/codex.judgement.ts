import type { RunExit } from '@capstan/domain';
import type { Judgement, ParseState } from '../agent.port.js';
import { agentFailed, endedByCapstan, judgeExit, providerUnavailable, sessionLost } from '../judge-exit.js';

/** Tokens that exclude each other: what was read from the cache or written to it isn't counted as fresh again. */
export interface TokenTotals {
  readonly fresh: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly output: number;
}

/** Facts that the Codex adapter folds over a run's output. A later run of the same thread gets them as `former`. */
export interface CodexFacts {
  readonly model: string;
  /** The endpoint is OpenAI's own, so that its price list holds. */
  readonly listPrice: boolean;
  /** The run was to go on from an earlier thread. */
  readonly resumed: boolean;
  /** Codex has opened its thread: it has begun. */
  readonly started: boolean;
  /** The thread that `total` counts; an earlier run's until this one's is known. */
  readonly thread?: string;
  /** Tokens of the thread before this run, and up to now. */
  readonly before: TokenTotals;
  readonly total: TokenTotals;
  /** `error` events with no other event between them, up to now. */
  readonly errorsInRow: number;
  /** Tools that have begun and not ended. */
  readonly open: readonly string[];
  readonly result?: CodexResult;
  /** Last non-empty line of stderr, for the detail of a failure; nothing is decided by it. */
  readonly lastStderr?: string;
}

interface CodexResult {
  readonly ok: boolean;
  readonly message?: string;
  /** The turn failed after Codex had tried again, so for a cause that it takes for a passing one. */
  readonly triedAgain?: boolean;
}

/**
 * Decides from the exit record and from which events came, never from what they say. Codex gives reasons as text alone,
 * without a status or a code, so these stay one: of what it tries again, a refused key (401), a rate limit (429) and
 * trouble at the provider (5xx) are all a provider that can't be had; of what it doesn't, a used-up quota, an unknown
 * model, a prompt beyond the context and a faulty request are all a failure of the agent. The text is in the detail.
 */
export function judgeCodex(state: ParseState, exit: RunExit): Judgement {
  const { result, resumed, started, lastStderr } = state.facts as unknown as CodexFacts;
  const ended = endedByCapstan(exit, state);
  if (ended !== null) return { verdict: 'outcome', outcome: ended };
  if (result?.ok === false) {
    const outcome = result.triedAgain === true ? providerUnavailable(result.message) : agentFailed(result.message);
    return { verdict: 'outcome', outcome };
  }
  // A thread that isn't there ends Codex before it opens one. So does a faulty configuration, which then fails the next
  // run as well, without a thread and by its own name.
  if (resumed && !started && exit.code === 1) return { verdict: 'outcome', outcome: sessionLost(lastStderr) };
  return judgeExit(exit, lastStderr);
}
