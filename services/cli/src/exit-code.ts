import { Bug, TransientError, UserError, errorText } from '@capstan/domain';

/** What the command's exit code says. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, unreachable: 4, refused: 5 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command was called wrongly; its usage is shown. */
export class UsageError extends Error {}

/** Which exit code an error gets. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof TransientError) return EXIT.unreachable;
  if (!(error instanceof UserError)) return EXIT.failed;
  return error.status === 404 ? EXIT.notFound : EXIT.refused;
}

/** An error for people: what is wrong, then what helps. */
export function describeError(error: unknown): string {
  const remedy = detailsOf(error)?.remedy;
  return remedy === undefined ? errorText(error) : `${errorText(error)}\n${remedy}`;
}

/** Code and remedy of Capstan's own errors. */
export function detailsOf(error: unknown): { readonly code: string; readonly remedy: string | undefined } | undefined {
  const own = error instanceof UserError || error instanceof TransientError || error instanceof Bug;
  return own ? { code: error.code, remedy: error.remedy } : undefined;
}
