import type { Problem } from '@capstan/api';

/** An answer that isn't a success: RFC 9457's members as the gateway sent them, or the browser's own finding. */
export class ApiProblem extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'ApiProblem';
    this.problem = problem;
  }

  get status(): number {
    return this.problem.status;
  }
}

/** The gateway couldn't be reached at all; `status` is 0 because there was no answer. */
export function unreachable(cause: unknown): ApiProblem {
  return new ApiProblem({
    type: 'about:blank',
    title: 'Gateway unreachable',
    status: 0,
    code: 'gateway_unreachable',
    detail: `The browser got no answer from the gateway${cause instanceof Error ? ` (${cause.message})` : ''}.`,
    remedy: 'Check that Capstan is running and that this machine can reach it; the page tries again by itself.',
    requestId: '',
  });
}

/** What any thrown value looks like to a person. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiProblem) return error.problem;
  return {
    type: 'about:blank',
    title: 'The dashboard failed',
    status: 0,
    code: 'dashboard_bug',
    detail: error instanceof Error ? error.message : String(error),
    remedy: 'Reload the page. If it comes back, report it with the text above.',
    requestId: '',
  };
}

/** Messages by field path, from a problem's `issues` or its single `field`; `form` holds what belongs to no field. */
export function fieldErrors(problem: Problem): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const { field, message } of problem.issues ?? []) errors[bodyField(field)] ??= message;
  if (problem.field !== undefined) errors[bodyField(problem.field)] ??= problem.detail;
  return errors;
}

function bodyField(path: string): string {
  return path.replace(/^body\./, '');
}
