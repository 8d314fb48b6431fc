import { createHash } from 'node:crypto';
import type pg from 'pg';

/** How a statement is sent. */
export type Statements = (sql: string, parameters: readonly unknown[]) => pg.QueryConfig;

/** Parsed and planned each time that it is sent. */
export const plainStatement: Statements = (text, parameters) => ({ text, values: [...parameters] });

/** Texts beyond this many are made anew each time, and not worth a place in every connection. */
const KNOWN_AT_MOST = 300;

/** Named by its text: a connection that has seen it plans it no more. */
export function preparedStatements(): Statements {
  const names = new Map<string, string>();
  return (text, parameters) => {
    let name = names.get(text);
    if (name === undefined) {
      if (names.size >= KNOWN_AT_MOST) return plainStatement(text, parameters);
      name = createHash('sha256').update(text).digest('base64url').slice(0, 24);
      names.set(text, name);
    }
    return { name, text, values: [...parameters] };
  };
}
