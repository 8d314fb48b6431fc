import type { ParsedLine } from '../agent.port.js';
import { storable, storableText } from '../storable.js';

/** A log line with everything in it made storable. Members of `data` that are undefined are left out. */
export function logLine(kind: ParsedLine['kind'], text: string, data?: Readonly<Record<string, unknown>>): ParsedLine {
  const given = data && Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
  return {
    kind,
    text: storableText(text),
    ...(given && Object.keys(given).length > 0 && { data: storable(given) as Readonly<Record<string, unknown>> }),
  };
}

/** The JSON object that a line is; undefined for anything else. */
export function jsonObject(raw: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined; // no JSON: the caller keeps the line as it is
  }
}

/** An amount of US dollars as the decimal string that the database sums up; undefined for what is none. */
export function dollars(amount: number): string | undefined {
  if (!Number.isFinite(amount) || amount < 0 || amount > 999_999) return undefined;
  const text = amount.toFixed(12);
  return text.replace(/\.?0+$/, '') || '0';
}
