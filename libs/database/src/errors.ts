import { TransientError, errorText, type SymptomCode } from '@capstan/domain';

/** SQLSTATE classes and codes that pass by themselves: connection, resources, operator intervention, serialization, deadlock. */
const PASSING = [/^08/, /^53/, /^57P0[1-3]$/, /^40(001|P01)$/, /^25006$/];
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH', 'EAI_AGAIN']);

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { code, driverError } = error as { code?: unknown; driverError?: unknown };
  return typeof code === 'string' ? code : codeOf(driverError);
}

/** What an outage is called; a full disk and spent connections have remedies of their own. */
const OUTAGES: Readonly<Record<string, SymptomCode>> = { '53100': 'database_full', '53300': 'database_connections' };

/** Whether Postgres itself is what failed: such a failure is nobody's attempt. */
export function isDatabaseOutage(error: unknown): boolean {
  return error instanceof TransientError && /^database_(unavailable|full|connections)$/.test(error.code);
}

/** The client gave up on a statement whose answer may still come on its connection. */
export function isUnanswered(error: unknown): boolean {
  return errorText(error) === 'Query read timeout';
}

/** The error itself, or TransientError `database_unavailable`, `database_full`, `database_connections` when Postgres isn't there or the conflict passes. */
export function classifyDatabaseError(error: unknown): unknown {
  const code = codeOf(error);
  const text = errorText(error);
  const passing =
    PASSING.some((pattern) => pattern.test(code)) ||
    NETWORK.has(code) ||
    /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect)/.test(
      text,
    ) ||
    // A migration changed a table under a prepared statement: the connection goes, and with it the statement.
    text === 'cached plan must not change result type' ||
    isUnanswered(error);
  if (!passing) return error;
  return new TransientError(`Postgres can't be asked: ${errorText(error)}`, {
    code: OUTAGES[code] ?? 'database_unavailable',
    cause: error,
  });
}

/** True for a violated unique constraint (of that name, when given). */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (codeOf(error) !== '23505') return false;
  return (
    constraint === undefined || JSON.stringify(error).includes(constraint) || errorText(error).includes(constraint)
  );
}
