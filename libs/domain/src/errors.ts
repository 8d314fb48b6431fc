import { isSymptomCode, SYMPTOMS } from './symptom/symptom.js';

/**
 * The three error families. HTTP status (service-kit) and acknowledgement (jetstream) both derive from them;
 * nothing else decides whether something is tried again. Expected outcomes are return values, not errors.
 */

/** What every Capstan error carries besides its message. */
export interface ErrorDetails {
  /** Stable machine-readable name, e.g. `task_not_found`. */
  readonly code: string;
  /** JSON path of the offending input, e.g. `limits.maxCostUsd`. */
  readonly field?: string;
  /** What the person can do about it, as one sentence. Left out, it is the registry's for this code, if it has one. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

abstract class CapstanError extends Error {
  readonly code: string;
  readonly field: string | undefined;
  readonly remedy: string | undefined;

  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.field = details.field;
    this.remedy = details.remedy ?? (isSymptomCode(details.code) ? SYMPTOMS[details.code].remedy : undefined);
  }
}

/** HTTP status of a {@link UserError}. */
export type UserErrorStatus = 400 | 401 | 403 | 404 | 409 | 410 | 413 | 415 | 422 | 429;

/** The caller asked for something that can't be done; asking again the same way never helps. */
export class UserError extends CapstanError {
  readonly status: UserErrorStatus;
  /** Further faults found in the same input. */
  readonly issues: readonly FieldIssue[];

  constructor(
    message: string,
    details: ErrorDetails & { readonly status?: UserErrorStatus; readonly issues?: readonly FieldIssue[] },
  ) {
    super(message, details);
    this.status = details.status ?? 400;
    this.issues = details.issues ?? [];
  }
}

export interface FieldIssue {
  /** JSON path, e.g. `limits.maxCostUsd`; empty for the whole input. */
  readonly field: string;
  readonly message: string;
}

/** Something outside is not there right now; the same request may succeed later. */
export class TransientError extends CapstanError {
  /** Earliest sensible next try, in ms from now; undefined leaves it to the caller's back-off. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: ErrorDetails & { readonly retryAfterMs?: number }) {
    super(message, details);
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Capstan itself is wrong. Reported, retried a bounded number of times, then parked. */
export class Bug extends CapstanError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: 'bug', ...details });
  }
}

/** An error by its shape: what came from another realm (a worker, a test's sandbox) is no `instanceof Error`. */
interface ErrorLike {
  readonly message: string;
  readonly name?: string;
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

function isErrorLike(value: unknown): value is ErrorLike {
  return typeof value === 'object' && value !== null && typeof (value as ErrorLike).message === 'string';
}

/** One line for a log or a row: the message and those of its causes. Never includes stack or input. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 4;) {
    if (!isErrorLike(at)) {
      parts.push(String(at));
      break;
    }
    const inner = Array.isArray(at.errors) ? at.errors.map((each) => errorText(each)).join('; ') : '';
    parts.push([at.message, inner].filter(Boolean).join(': ') || (at.name ?? 'Error'));
    at = at.cause;
  }
  return parts.join(': ') || 'unknown error';
}

/** {@link errorText}, and what helps where that is known: for rows and notices whose error nobody sees as an object. */
export function errorAdvice(error: unknown): string {
  const { remedy } = (error ?? {}) as { readonly remedy?: unknown };
  const text = errorText(error);
  return typeof remedy === 'string' ? `${text.replace(/[.\s]+$/, '')}. ${remedy}` : text;
}

/** For the `default` of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Bug(`unexpected value ${JSON.stringify(value)}`);
}
