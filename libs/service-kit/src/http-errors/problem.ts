import type { Problem } from '@capstan/api';
import { classifyDatabaseError, isDatabaseOutage } from '@capstan/database';
import { errorText, TransientError, UserError, type FieldIssue } from '@capstan/domain';
import { HttpException } from '@nestjs/common';
import { z } from 'zod';

/** Seconds that a client is asked to wait when nothing better is known. */
const DEFAULT_RETRY_AFTER_MS = 2_000;

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not signed in',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Invalid input',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Temporarily unavailable',
};

const CODES: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  410: 'gone',
  413: 'too_large',
  415: 'unsupported_media_type',
  422: 'invalid_input',
  429: 'too_many_requests',
};

/** What a client is told about an error. Of a bug it learns nothing but the request's id. */
export function problemOf(thrown: unknown, requestId: string): Problem {
  const error = thrown instanceof UserError || thrown instanceof HttpException ? thrown : classifyDatabaseError(thrown);
  if (error instanceof UserError) {
    const { field, remedy, issues } = error;
    return problem(error.status, error.code, error.message, requestId, { field, remedy, issues });
  }
  if (error instanceof TransientError) {
    const { field, remedy, retryAfterMs = DEFAULT_RETRY_AFTER_MS } = error;
    return problem(503, error.code, transientDetail(error), requestId, {
      field,
      remedy: remedy ?? 'Try again in a moment.',
      retryAfterMs,
    });
  }
  const issues = schemaIssues(error);
  if (issues) return invalidInput(issues, requestId);
  const client = clientFault(error);
  if (client) return problem(client.status, client.code, client.detail, requestId, {});
  return problem(500, 'bug', 'Capstan failed to answer this request.', requestId, {
    remedy: `Look for request_id ${requestId} in the log, and report it.`,
  });
}

/** Causes hold addresses of servers: they stay in the log. */
function transientDetail(error: TransientError): string {
  return isDatabaseOutage(error) ? "Postgres can't be asked right now." : error.message;
}

interface Extras {
  readonly field?: string | undefined;
  readonly remedy?: string | undefined;
  readonly issues?: readonly FieldIssue[];
  readonly retryAfterMs?: number;
}

function problem(status: number, code: string, detail: string, requestId: string, extras: Extras): Problem {
  const { field, remedy, issues = [], retryAfterMs } = extras;
  return {
    type: `urn:capstan:problem:${code}`,
    title: TITLES[status] ?? 'Error',
    status,
    code,
    detail,
    ...(field === undefined ? {} : { field }),
    ...(remedy === undefined ? {} : { remedy }),
    ...(issues.length === 0 ? {} : { issues: [...issues] }),
    requestId,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function invalidInput(issues: readonly FieldIssue[], requestId: string): Problem {
  const [first] = issues;
  const detail = issues.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`)).join('; ');
  return problem(422, 'invalid_input', detail, requestId, {
    ...(first && first.field !== '' ? { field: first.field } : {}),
    issues,
    remedy: 'Correct the named fields.',
  });
}

/** Issues of a zod error, thrown as such or wrapped by Nest's validation pipe; null for anything else. */
function schemaIssues(error: unknown): readonly FieldIssue[] | null {
  if (error instanceof z.ZodError) {
    return error.issues.flatMap((issue) => {
      const at = issue.path.map(String);
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => ({ field: [...at, key].join('.'), message: 'unknown field' }));
      }
      return [{ field: at.join('.'), message: issue.message }];
    });
  }
  return null;
}

/** Faults of the request that the HTTP layer found: body parser, router, Nest's own exceptions. */
function clientFault(error: unknown): { status: number; code: string; detail: string } | null {
  if (!(error instanceof Error)) return null;
  const status = error instanceof HttpException ? error.getStatus() : parserStatus(error);
  if (status === null || status < 400 || status > 499) return null;
  const { type } = error as { type?: unknown };
  if (type === 'entity.parse.failed' || /JSON/.test(error.message)) {
    return { status: 400, code: 'malformed_json', detail: 'The body is not valid JSON.' };
  }
  if (status === 413) return { status, code: 'too_large', detail: 'The body is larger than is accepted.' };
  return { status, code: CODES[status] ?? 'bad_request', detail: errorText(error) };
}

/** Errors of Express and its parsers carry a status and say whether their message may be shown. */
function parserStatus(error: Error): number | null {
  const { status, expose } = error as { status?: unknown; expose?: unknown };
  return typeof status === 'number' && expose === true ? status : null;
}
