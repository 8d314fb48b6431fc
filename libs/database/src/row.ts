/** Postgres speaks snake_case, the code camelCase. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

const names = new Map<string, string>();

/** The same row with camelCase keys. JSON columns keep their own keys. */
export function camelRow<Row>(row: Record<string, unknown>): Row {
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(row)) {
    let name = names.get(key);
    if (name === undefined) names.set(key, (name = camelCase(key)));
    out[name] = row[key];
  }
  return out as Row;
}
