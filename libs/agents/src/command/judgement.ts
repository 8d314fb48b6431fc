import { unreachable, type RunExit, type RunOutcome } from '@capstan/domain';
import type { Judgement, ParseState } from '../agent.port.js';
import { oneLine } from '../storable.js';
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
  if (exit.ended) return { verdict: 'outcome', outcome: endedBySupervisor(exit.ended, exit.message) };
  if (facts.result?.ok === false) return { verdict: 'outcome', outcome: reported(facts.result.error) };
  if (exit.code === 0) return { verdict: 'ok' };
  const last = facts.lastStderr ? `: ${facts.lastStderr}` : '';
  if (exit.code === null) {
    const detail = `The agent was killed by ${exit.signal ?? 'a signal'}${last}`;
    return { verdict: 'outcome', outcome: { kind: 'lost', detail, symptom: 'agent_killed' } };
  }
  const detail = `The agent exited with code ${exit.code}${last}`;
  return { verdict: 'outcome', outcome: { kind: 'failed', detail, symptom: 'agent_exited' } };
}

function endedBySupervisor(ended: NonNullable<RunExit['ended']>, message: string | undefined): RunOutcome {
  switch (ended) {
    case 'deadline':
      return { kind: 'limit_reached', detail: 'The run reached its time limit', symptom: 'run_time_limit' };
    case 'log_limit':
      return { kind: 'limit_reached', detail: 'The run wrote more log than allowed', symptom: 'run_log_limit' };
    case 'cost_limit':
      return { kind: 'limit_reached', detail: message || 'The task reached its cost limit', symptom: 'cost_limit' };
    case 'turn_limit':
      return { kind: 'limit_reached', detail: message || 'The run reached its turn limit', symptom: 'turn_limit' };
    case 'stopped':
      return { kind: 'stopped', detail: 'The run was stopped' };
    case 'start_failed': {
      const why = message ? `: ${oneLine(message)}` : '';
      return { kind: 'failed', detail: `The agent's program could not be started${why}`, symptom: 'agent_not_found' };
    }
    default:
      return unreachable(ended);
  }
}

function reported(error: CommandResult['error']): RunOutcome {
  const because = error?.message ? `: ${error.message}` : '';
  const kind = error?.kind ?? 'other';
  switch (kind) {
    case 'credential':
      return {
        kind: 'credential_refused',
        detail: `The agent's credential was refused${because}`,
        symptom: 'agent_credential_refused',
      };
    case 'rate_limit':
      return {
        kind: 'rate_limited',
        detail: `The agent's provider limits its rate${because}`,
        symptom: 'agent_rate_limited',
        ...(error?.resetAt !== undefined && { resetAt: new Date(error.resetAt).toISOString() }),
      };
    case 'limit':
      return {
        kind: 'limit_reached',
        detail: `The agent reached a limit of its own${because}`,
        symptom: 'agent_limit_reached',
      };
    case 'other':
      return { kind: 'failed', detail: `The agent reported a failure${because}`, symptom: 'agent_failed' };
    default:
      return unreachable(kind);
  }
}
