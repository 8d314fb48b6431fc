import { unreachable, type RunExit, type RunOutcome } from '@capstan/domain';
import type { Judgement, ParseState } from '../agent.port.js';
import { agentFailed, credentialRefused, endedByCapstan, judgeExit, limitReached, rateLimited } from '../judge-exit.js';
import type { CommandResult } from './ndjson.parser.js';

/** Facts that the command adapter folds over a run's output. */
export interface CommandFacts {
  readonly output: 'text' | 'ndjson';
  readonly model?: string;
  /** The agent's own last word; ndjson only. */
  readonly result?: CommandResult;
  /** Last non-empty line of stderr, for the detail of a failure; nothing is decided by it. */
  readonly lastStderr?: string;
}

/** Decides from the supervisor's exit record and the agent's `result` line alone. */
export function judgeCommand(state: ParseState, exit: RunExit): Judgement {
  const facts = state.facts as unknown as CommandFacts;
  const ended = endedByCapstan(exit, state);
  if (ended !== null) return { verdict: 'outcome', outcome: ended };
  if (facts.result?.ok === false) return { verdict: 'outcome', outcome: reported(facts.result.error) };
  return judgeExit(exit, facts.lastStderr);
}

function reported(error: CommandResult['error']): RunOutcome {
  const kind = error?.kind ?? 'other';
  switch (kind) {
    case 'credential':
      return credentialRefused(error?.message);
    case 'rate_limit':
      return rateLimited(error?.message, error?.resetAt);
    case 'limit':
      return limitReached('agent_limit_reached', error?.message);
    case 'other':
      return agentFailed(error?.message);
    default:
      return unreachable(kind);
  }
}
