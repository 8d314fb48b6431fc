/** Deeper values than this are cut: no reader needs them, and a hostile line must not exhaust the stack. */
const MAX_DEPTH = 32;

const NOT_STORABLE = /\0|\p{Surrogate}/gu;

/** The text without NUL and lone surrogates, which Postgres can't hold; each becomes U+FFFD. */
export function storableText(text: string): string {
  return text.replace(NOT_STORABLE, '\uFFFD');
}

/** The same for every string of a JSON value, keys included. */
export function storable(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.map((each) => storable(each, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [storableText(key), storable(each, depth + 1)]));
}

/** The last line-like piece of a text for a sentence: one line, at most `max` characters. */
export function oneLine(text: string, max = 300): string {
  const line = storableText(text).replace(/\s+/g, ' ').trim();
  return line.length > max ? `${storableText(line.slice(0, max - 1))}…` : line;
}
