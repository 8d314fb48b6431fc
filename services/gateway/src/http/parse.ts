import { z } from 'zod';
import { UserError, type FieldIssue } from '@capstan/domain';

/** What a route without a schema takes: nothing, or an empty object. */
const NOTHING = z.strictObject({}).optional();

/** Parses one part of a request. @throws UserError 422 that names every faulty field, unknown ones too. */
export function parsePart(part: 'params' | 'query' | 'body', schema: z.ZodType | undefined, value: unknown): unknown {
  const parsed = (schema ?? NOTHING).safeParse(value);
  if (!parsed.success) throw invalid(parsed.error.issues.flatMap((issue) => issuesOf(part, issue)));
  const unstorable = findUnstorable(parsed.data, []);
  if (unstorable !== null)
    throw invalid([{ field: unstorable || part, message: 'must be well-formed text without NUL characters' }]);
  return parsed.data;
}

/** The query as an object; a name that comes twice becomes a list, which no schema takes for a single value. */
export function queryOf(url: string): Record<string, string | string[]> {
  const at = url.indexOf('?');
  const query: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>;
  if (at < 0) return { ...query };
  const given = new URLSearchParams(url.slice(at + 1));
  for (const name of new Set(given.keys())) {
    const values = given.getAll(name);
    query[name] = values.length === 1 ? values[0]! : values;
  }
  return { ...query };
}

function issuesOf(part: string, issue: z.core.$ZodIssue): FieldIssue[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ field: [...path, key].join('.'), message: 'unknown field' }));
  return [{ field: path.join('.') || part, message: issue.message }];
}

function invalid(issues: readonly FieldIssue[]): UserError {
  const [first] = issues;
  return new UserError(first === undefined ? 'The request is invalid' : `${first.field}: ${first.message}`, {
    code: 'invalid_request',
    status: 422,
    ...(first === undefined ? {} : { field: first.field }),
    issues,
  });
}

/** NUL, and a surrogate that isn't one of a pair. */
const UNSTORABLE = /\0|\p{Surrogate}/u;

/** Path of a text that Postgres can't keep: one with NUL or half a surrogate pair. */
function findUnstorable(value: unknown, path: readonly string[]): string | null {
  if (typeof value === 'string') return UNSTORABLE.test(value) ? path.join('.') : null;
  if (value === null || typeof value !== 'object') return null;
  for (const [key, member] of Object.entries(value)) {
    if (UNSTORABLE.test(key)) return path.join('.');
    const found = findUnstorable(member, [...path, key]);
    if (found !== null) return found;
  }
  return null;
}
