import { unreachable, type RunExit, type RunOutcome } from '@capstan/domain';
import type { Judgement, ParseState } from './agent.port.js';
import { oneLine } from './storable.js';

/** What Capstan ended a run for, as the supervisor's exit record has it; null for a run that ended by itself. */
export function endedByCapstan({ ended, message }: RunExit, state: ParseState): RunOutcome | null {
  if (ended === undefined) return null;
  switch (ended) {
    case 'deadline':
      return { kind: 'limit_reached', detail: 'The run reached its time limit', symptom: 'run_time_limit' };
    case 'log_limit':
      return { kind: 'limit_reached', detail: 'The run wrote more log than allowed', symptom: 'run_log_limit' };
    case 'cost_limit':
      return { kind: 'limit_reached', detail: message || 'The task reached its cost limit', symptom: 'cost_limit' };
    case 'turn_limit':
      return { kind: 'limit_reached', detail: message || 'The run reached its turn limit', symptom: 'turn_limit' };
    case 'given_up':
      return state.hopeless ?? { kind: 'failed', detail: message || 'The run was given up', symptom: 'agent_failed' };
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

/** Decides by the exit alone, for an agent that said nothing better of its end. `lastStderr` only explains. */
export function judgeExit({ code, signal }: RunExit, lastStderr?: string): Judgement {
  if (code === 0) return { verdict: 'ok' };
  const last = lastStderr ? `: ${lastStderr}` : '';
  if (code === null) {
    const detail = `The agent was killed by ${signal ?? 'a signal'}${last}`;
    return { verdict: 'outcome', outcome: { kind: 'lost', detail, symptom: 'agent_killed' } };
  }
  const detail = `The agent exited with code ${code}${last}`;
  return { verdict: 'outcome', outcome: { kind: 'failed', detail, symptom: 'agent_exited' } };
}

const because = (message: string | undefined) => (message ? `: ${oneLine(message)}` : '');

/** The provider refused the credential: a person has to replace it. */
export function credentialRefused(message?: string): RunOutcome {
  return {
    kind: 'credential_refused',
    detail: `The agent's credential was refused${because(message)}`,
    symptom: 'agent_credential_refused',
  };
}

/** The provider limits the rate. @param resetAt ISO 8601, where it said when that ends */
export function rateLimited(message?: string, resetAt?: string): RunOutcome {
  return {
    kind: 'rate_limited',
    detail: `The agent's provider limits its rate${because(message)}`,
    symptom: 'agent_rate_limited',
    ...(resetAt !== undefined && { resetAt: new Date(resetAt).toISOString() }),
  };
}

/** The provider can't be reached or is in trouble, though the agent has tried for a while: worth another run. */
export function providerUnavailable(message?: string): RunOutcome {
  return {
    kind: 'failed',
    detail: `The agent's provider could not be reached${because(message)}`,
    symptom: 'agent_provider_unavailable',
  };
}

/** The session that the run was to go on from is not there: the next one starts a new one. */
export function sessionLost(message?: string): RunOutcome {
  return {
    kind: 'failed',
    detail: `The agent's session is gone${because(message)}`,
    symptom: 'agent_session_lost',
  };
}

/** Reached a limit that Capstan handed the agent, or one of the agent's own. */
export function limitReached(
  symptom: 'agent_limit_reached' | 'turn_limit' | 'cost_limit',
  message?: string,
): RunOutcome {
  return { kind: 'limit_reached', detail: `The agent reached a limit of its own${because(message)}`, symptom };
}

/** The agent says that it failed. */
export function agentFailed(message?: string): RunOutcome {
  return { kind: 'failed', detail: `The agent reported a failure${because(message)}`, symptom: 'agent_failed' };
}
