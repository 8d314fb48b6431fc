import type { Explanation } from '@capstan/api';
import { symptomOf } from '@capstan/domain';

/** A symptom's code with the words that were true then, as people read it. */
export function explain(problem: { readonly code: string; readonly detail: string }): Explanation;
export function explain(problem: { readonly code: string; readonly detail: string } | null): Explanation | null;
export function explain(problem: { readonly code: string; readonly detail: string } | null): Explanation | null {
  if (problem === null) return null;
  const { title, remedy } = symptomOf(problem.code);
  return { code: problem.code, title, detail: problem.detail, remedy };
}
