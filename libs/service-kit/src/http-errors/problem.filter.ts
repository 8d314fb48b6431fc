import type { ServerResponse } from 'node:http';
import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Logger } from '../telemetry/logger.js';
import { currentRequestId } from '../telemetry/tracing.js';
import { problemOf } from './problem.js';

/** Answers every error as problem+json, and logs those that are Capstan's own fault or an outage. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw error;
    const response = host.switchToHttp().getResponse<ServerResponse>();
    answerProblem(response, error, this.logger);
  }
}

/** The same outside of Nest's pipeline, for plain middleware. */
export function answerProblem(response: ServerResponse, error: unknown, logger: Logger): void {
  const requestId = currentRequestId() ?? headerOf(response) ?? '-';
  const problem = problemOf(error, requestId);
  if (problem.status >= 500) {
    const level = problem.code === 'bug' ? 'error' : 'warn';
    logger[level]({ err: error, status: problem.status, code: problem.code }, 'a request failed');
  }
  if (response.headersSent || response.writableEnded) {
    // Half an answer is on its way: cutting it off is the only way to say that it is wrong.
    response.destroy();
    return;
  }
  response.statusCode = problem.status;
  response.setHeader('content-type', 'application/problem+json; charset=utf-8');
  response.setHeader('cache-control', 'no-store');
  if (problem.retryAfterMs !== undefined) {
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(problem.retryAfterMs / 1000))));
  }
  response.end(JSON.stringify(problem));
}

function headerOf(response: ServerResponse): string | undefined {
  const value = response.getHeader('x-request-id');
  return typeof value === 'string' ? value : undefined;
}
