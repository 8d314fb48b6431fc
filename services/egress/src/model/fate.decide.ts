/**
 * What becomes of an answer: it passes to the agent · its key is `limited` or `refused` and the next one is tried · its
 * provider is `overloaded` and the next one is tried.
 */
export type Fate = 'passes' | 'limited' | 'refused' | 'overloaded';

/** @param others Whether anybody else can be asked than the provider that answered. */
export function fateOf(status: number, others: boolean): Fate {
  if (isRefused(status)) return 'refused';
  if (status === 429) return 'limited';
  if (status === 529) return others ? 'overloaded' : 'limited';
  return status === 503 && others ? 'overloaded' : 'passes';
}

export function isRefused(status: number): boolean {
  return status === 401 || status === 403;
}
