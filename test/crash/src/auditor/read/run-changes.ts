import type pg from 'pg';
import type { RunChange } from '../laws/fences.js';

const both = (column: string, type: string): string =>
  `array[(old->>'${column}')::${type}, (new->>'${column}')::${type}] as "${column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())}"`;

/** Every update of a run that the trace holds. */
export async function readRunChanges(pool: pg.Pool): Promise<RunChange[]> {
  const { rows } = await pool.query<RunChange>(
    `select id as "runId", seq::int as seq, ${both('owner', 'text')}, ${both('epoch', 'int')}, ${both('state', 'text')},
            ${both('journal_line', 'int')}, ${both('log_sequence', 'int')}
       from crash_trace where "table" = 'run' and op = 'update' order by crash_trace.seq`,
  );
  return rows;
}
