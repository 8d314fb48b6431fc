/** What a child of a test or the demo sees: the same as its parent, without any setting of Capstan or a collector. */
export function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(entries.filter(([name]) => !/^(CAPSTAN|OTEL)_/.test(name)));
}
