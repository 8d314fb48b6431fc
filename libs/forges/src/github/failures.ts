import { Bug, TransientError, UserError } from '@capstan/domain';

/** GitHub's advice where it limits without saying for how long, ms. */
const UNSPECIFIED_LIMIT_MS = 60_000;

export type Headers = Readonly<Record<string, string | number | undefined>>;

/** What the client throws for an answer other than success, and for no answer (without `response`). */
export interface HttpError extends Error {
  readonly status: number;
  readonly response?: { readonly headers: Headers; readonly data: unknown };
}

export function isHttpError(error: unknown): error is HttpError {
  if (typeof error !== 'object' || error === null) return false;
  const { name, status } = error as Partial<HttpError>;
  return name === 'HttpError' && typeof status === 'number';
}

/** The request was cut off: its time was over, or its caller gave up. */
export class GivenUp extends Error {}

/** GitHub's own words: its message and those of the single faults. */
export function githubWords(error: HttpError): string {
  const data = error.response?.data as { message?: unknown; errors?: unknown } | undefined;
  const message = typeof data?.message === 'string' ? data.message : error.message;
  const faults = (Array.isArray(data?.errors) ? (data.errors as unknown[]) : []).map((fault) => {
    if (typeof fault === 'string') return fault;
    const { message: words, resource, field, code } = (fault ?? {}) as Record<string, unknown>;
    return typeof words === 'string'
      ? words
      : [resource, field, code].filter((each) => typeof each === 'string').join(' ');
  });
  return [message, ...faults.filter(Boolean)].join(': ').slice(0, 1_000);
}

/**
 * Turns whatever a request threw into one of Capstan's errors.
 * @param doing what was being done, e.g. `read pull request acme/app#4`.
 * @param nowMs Unix ms, for limits that name their end.
 */
export function githubFailure(error: unknown, doing: string, nowMs: number): Error {
  if (error instanceof UserError || error instanceof TransientError || error instanceof Bug) return error;
  if (error instanceof GivenUp) {
    return new TransientError(`could not ${doing}: ${error.message}`, { code: 'forge_timeout', cause: error });
  }
  if (!isHttpError(error)) {
    return new Bug(`could not ${doing}`, { cause: error });
  }
  // Without a response there was no answer at all; the status is then the client's invention.
  if (!error.response) {
    return new TransientError(`could not ${doing}: GitHub can't be reached`, {
      code: 'forge_unreachable',
      cause: error,
    });
  }
  return answered(error, error.response.headers, doing, nowMs);
}

function answered(error: HttpError, headers: Headers, doing: string, nowMs: number): Error {
  const { status } = error;
  const said = `could not ${doing}: GitHub answered ${status}: ${githubWords(error)}`;
  const limitMs = rateLimitMs(status, headers, githubWords(error), nowMs);
  if (limitMs !== undefined) {
    return new TransientError(said, { code: 'forge_rate_limited', retryAfterMs: limitMs });
  }
  if (status >= 500) {
    const afterMs = seconds(headers['retry-after']);
    return new TransientError(said, {
      code: 'forge_unavailable',
      ...(afterMs !== undefined && { retryAfterMs: afterMs }),
    });
  }
  if (status === 401) {
    return new UserError(said, { code: 'credential_refused', status: 422, cause: error });
  }
  if (status === 403) {
    return new UserError(said, {
      code: 'permission_missing',
      status: 422,
      remedy: permissionRemedy(headers),
      cause: error,
    });
  }
  if (status === 404 || status === 410) {
    return new UserError(said, {
      code: 'remote_not_found',
      status: 422,
      cause: error,
      remedy: 'Check the name, and that the token may see the repository: GitHub hides what a token may not see.',
    });
  }
  return new UserError(said, { code: 'forge_refused', status: 422, cause: error });
}

/** How long a limit lasts in ms, or undefined when the answer isn't about a limit. */
function rateLimitMs(status: number, headers: Headers, words: string, nowMs: number): number | undefined {
  if (status !== 403 && status !== 429) return undefined;
  const afterMs = seconds(headers['retry-after']);
  if (afterMs !== undefined) return afterMs;
  const reset = Number(headers['x-ratelimit-reset']);
  if (String(headers['x-ratelimit-remaining']) === '0' && Number.isFinite(reset)) {
    // A second more, because GitHub counts in whole seconds.
    return Math.max(reset * 1_000 - nowMs, 0) + 1_000;
  }
  return status === 429 || /secondary rate limit/i.test(words) ? UNSPECIFIED_LIMIT_MS : undefined;
}

function seconds(value: string | number | undefined): number | undefined {
  const parsed = value === undefined || value === '' ? Number.NaN : Number(value);
  return Number.isFinite(parsed) && parsed >= 0 ? parsed * 1_000 : undefined;
}

function permissionRemedy(headers: Headers): string {
  const singleSignOn = String(headers['x-github-sso'] ?? '');
  if (singleSignOn.startsWith('required')) {
    const where = /url=(https?:\/\/\S+)/.exec(singleSignOn)?.[1];
    return `Authorise the token for the organisation's single sign-on${where ? ` at ${where}` : ''}.`;
  }
  const accepted = String(headers['x-accepted-github-permissions'] ?? '').trim();
  if (accepted)
    return `Give the token the permission ${accepted
      .split(';')
      .map((each) => each.trim())
      .join(' or ')}.`;
  const scopes = String(headers['x-accepted-oauth-scopes'] ?? '').trim();
  if (scopes) return `Give the token one of the scopes ${scopes}.`;
  return 'Use a token whose owner may do this in the repository.';
}
