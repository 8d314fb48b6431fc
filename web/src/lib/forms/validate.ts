import { fieldErrors, problemOf } from '#lib/api/problem.ts';

/** The part of a zod schema that a form needs; the schemas themselves are loaded when a form is shown. */
export interface Schema {
  safeParse(value: unknown): {
    readonly success: boolean;
    readonly error?:
      { readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[] } | undefined;
  };
}

/** The contract's schemas, in a chunk of their own: zod is not in the first view. */
export async function contract() {
  return await import('@capstan/api');
}

/** Messages by dotted field path; empty when the value is fine. */
export function faultsOf(schema: Schema, value: unknown): Record<string, string> {
  const result = schema.safeParse(value);
  const faults: Record<string, string> = {};
  for (const { path, message } of result.error?.issues ?? []) faults[path.map(String).join('.')] ??= message;
  return faults;
}

/** A refusal's messages by field, where it names any that the form shows. */
export function refusedFields(error: unknown, shown: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fieldErrors(problemOf(error))).filter(([field]) =>
      shown.some((name) => field === name || field.startsWith(`${name}.`)),
    ),
  );
}

/** Message of a field or of anything within it. */
export function messageFor(faults: Readonly<Record<string, string>>, field: string): string | undefined {
  return faults[field] ?? Object.entries(faults).find(([path]) => path.startsWith(`${field}.`))?.[1];
}

/** A number typed by hand; undefined for nothing, NaN (which no schema takes) for what is no number. */
export function figure(text: string | number | null | undefined): number | undefined {
  if (text === null || text === undefined || text === '') return undefined;
  return Number(text);
}

/** Only what was set: an empty object becomes undefined. */
export function onlySet<Value extends object>(value: Value): Value | undefined {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Value);
}

/** Splits a command line into program and arguments; quotes keep spaces together, as a shell would. */
export function splitCommand(line: string): string[] {
  const parts: string[] = [];
  let part: string | null = null;
  let quote = '';
  for (const character of line.trim()) {
    if (quote !== '') {
      if (character === quote) quote = '';
      else part += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      part ??= '';
    } else if (/\s/.test(character)) {
      if (part !== null) parts.push(part);
      part = null;
    } else part = (part ?? '') + character;
  }
  if (part !== null) parts.push(part);
  return parts;
}

/** The inverse of {@link splitCommand}. */
export function joinCommand(argv: readonly string[]): string {
  return argv
    .map((part) => (part === '' || /[\s"']/.test(part) ? (part.includes("'") ? `"${part}"` : `'${part}'`) : part))
    .join(' ');
}
