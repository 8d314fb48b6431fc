/** A law that doesn't hold, and what shows it. */
export interface Violation {
  readonly law: string;
  readonly what: string;
  /** Ids, rows, lines: what somebody needs to look further. */
  readonly evidence: unknown;
}

export function violation(law: string, what: string, evidence: unknown): Violation {
  return { law, what, evidence };
}

/** Values by key, in their order. */
export function grouped<T, K>(values: readonly T[], keyOf: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
