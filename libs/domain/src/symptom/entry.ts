/** Where a symptom comes from. */
export const SYMPTOM_CATEGORIES = [
  'image',
  'auth',
  'network',
  'timeout',
  'agent',
  'state',
  'resource',
  'quota',
  'unknown',
] as const;
export type SymptomCategory = (typeof SYMPTOM_CATEGORIES)[number];

/** What a person sees, why it is so, and what helps. API, dashboard, CLI and the troubleshooting page all read this. */
export interface Symptom {
  readonly title: string;
  readonly cause: string;
  readonly remedy: string;
  /** Whether trying again without a change can help. */
  readonly retryable: boolean;
  readonly category: SymptomCategory;
}

/** An entry that nobody can change. */
export function symptom(entry: Symptom): Symptom {
  return Object.freeze(entry);
}
