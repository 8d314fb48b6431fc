import type { ServerResponse } from 'node:http';
import type { Problem } from '@capstan/api';
import { SYMPTOMS, UserError, symptomOf, type ErrorDetails } from '@capstan/domain';
import { problemOf, type Logger } from '@capstan/service-kit';

/** A refusal that ends by itself; becomes 429 with Retry-After. */
export class TooOften extends UserError {
  constructor(
    message: string,
    readonly retryAfterMs: number,
    details: Partial<ErrorDetails> = {},
  ) {
    super(message, { code: 'too_many_requests', ...details, status: 429 });
  }
}

/** What a client is told of an error (RFC 9457). */
export function gatewayProblem(thrown: unknown, requestId: string): Problem {
  const error = fromDatabase(thrown) ?? thrown;
  const problem = problemOf(error, requestId);
  return {
    ...problem,
    ...(problem.code in SYMPTOMS ? { title: symptomOf(problem.code).title } : {}),
    ...(error instanceof TooOften ? { retryAfterMs: Math.max(1, Math.ceil(error.retryAfterMs)) } : {}),
  };
}

/** Writes an error as problem+json, and logs what nobody expected. */
export function writeProblem(response: ServerResponse, thrown: unknown, logger: Logger): void {
  const requestId = response.getHeader('x-request-id');
  const problem = gatewayProblem(thrown, typeof requestId === 'string' ? requestId : '-');
  if (problem.status === 500) logger.error({ err: thrown }, 'a request failed');
  if (problem.status === 503) logger.warn({ err: thrown, code: problem.code }, 'a request has to wait');
  if (response.headersSent || response.writableEnded) {
    // Half an answer is on its way: cutting it off is the only way to say that it is wrong.
    response.destroy();
    return;
  }
  response.statusCode = problem.status;
  response.setHeader('content-type', 'application/problem+json; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  if (problem.retryAfterMs !== undefined)
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(problem.retryAfterMs / 1_000))));
  if (problem.status === 401) response.setHeader('www-authenticate', 'Bearer realm="capstan"');
  response.end(JSON.stringify(problem));
}

/** A constraint stands behind every check of ours: what slips past a check is still the caller's fault, not a crash. */
function fromDatabase(error: unknown): UserError | null {
  const state = sqlState(error);
  const refused = (status: 409 | 422, code: string, detail: string) =>
    new UserError(detail, { code, status, cause: error });
  if (state.startsWith('22')) return refused(422, 'invalid_value', 'A value is outside of what can be stored');
  if (state === '23514') return refused(422, 'invalid_value', 'A value is outside of what is allowed');
  if (state === '23505') return refused(409, 'already_exists', 'That exists already');
  if (state === '23503') return refused(409, 'reference_missing', 'Something that is named is not there');
  return null;
}

function sqlState(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code, driverError } = error as { code?: unknown; driverError?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : sqlState(driverError);
}
