import type { RunOutcome } from '@capstan/domain';
import { agentFailed, credentialRefused, providerUnavailable, rateLimited } from '../judge-exit.js';
import { oneLine } from '../storable.js';

/** What a model provider's HTTP status means for a run. @param resetAt ISO 8601, of a limit */
export function statusOutcome(status: number, message?: string, resetAt?: string): RunOutcome {
  switch (status) {
    case 401:
    case 402: // without credit
    case 403:
      return credentialRefused(message);
    case 404:
      return modelUnknown(message);
    case 429:
    case 529: // overloaded
      return rateLimited(message, resetAt);
    case 408:
      return providerUnavailable(message);
    default:
      return status >= 500 ? providerUnavailable(message) : agentFailed(message);
  }
}

/** The provider has no such model, or not for this credential. */
export function modelUnknown(message?: string): RunOutcome {
  const why = message ? `: ${oneLine(message)}` : '';
  return { kind: 'failed', detail: `The provider has no such model${why}`, symptom: 'agent_model_unknown' };
}

/** Longer waits than this are no rate limit but a mistake. */
const MAX_WAIT_SECONDS = 40 * 24 * 3_600;

/** ISO 8601 of a moment so many seconds after `from` (milliseconds since 1970); undefined for what is none. */
export function secondsAfter(from: number, seconds: number): string | undefined {
  if (!(seconds >= 0 && seconds <= MAX_WAIT_SECONDS)) return undefined;
  return isoOf(from + seconds * 1_000);
}

/** When a `retry-after` header that came at `at` says to come again: it has seconds, or a date. */
export function retryAfter(header: string, at: number): string | undefined {
  if (/^\d{1,8}(\.\d+)?$/.test(header.trim())) return secondsAfter(at, Number(header));
  return secondsAfter(at, (Date.parse(header) - at) / 1_000);
}

function isoOf(milliseconds: number): string | undefined {
  const inRange = milliseconds > 0 && milliseconds < 253_402_300_800_000; // till the end of the year 9999
  return inRange ? new Date(milliseconds).toISOString() : undefined;
}
