import { ENDED_STATES } from '@capstan/domain';
import type { Database } from '@capstan/database';
import { decideRetention, type RetentionRow } from './retention.decide.js';
import type { RetentionRule } from './retention.js';

/** A table whose old rows go. All but the names is SQL over the table's row, called `r`. */
export interface RetainedTable {
  readonly table: string;
  /** How long a row is kept once it has aged. ms */
  readonly keepMs: number;
  /** Column that says since when a row is of no use; indexed. */
  readonly aged: string;
  /** Rows that are looked at; default: all that have aged. */
  readonly only?: string;
  /** True for what a person, a lock or another row still needs. */
  readonly held?: string;
  /** State of the task that a row belongs to. */
  readonly taskState?: string;
  /** True for the latest of its kind. */
  readonly latest?: string;
}

interface Candidate extends RetentionRow {
  readonly place: string;
  readonly since: string;
}

/**
 * Deletes old rows of one table, oldest first by its index. A row that changed since it was looked at stays: it is found
 * by where it lay, and everything that may keep it is asked again with the delete.
 */
export function retainedTable(database: Database, wanted: RetainedTable): RetentionRule {
  const { table, keepMs, aged, only = 'true', taskState = 'null::text', latest = 'false' } = wanted;
  const held = `coalesce(${wanted.held ?? 'false'}, false)`;
  const old = `r."${aged}" <= clock_timestamp() - $1 * interval '1 ms' and ${only}`;
  const look = (behind: Candidate | null, limit: number) =>
    database.query<Candidate>(
      `select r.ctid::text as place, r."${aged}"::text as since, ${held} as held, ${taskState} as task_state, ${latest} as latest,
              extract(epoch from clock_timestamp() - r."${aged}")::float * 1000 as aged_ms
         from "${table}" r
        where ${old} and ($2::timestamptz is null or (r."${aged}", r.ctid) > ($2::timestamptz, $3::tid))
        order by r."${aged}", r.ctid limit $4`,
      [keepMs, behind?.since ?? null, behind?.place ?? null, limit],
    );
  const remove = (rows: readonly Candidate[]) =>
    database.query(
      `delete from "${table}" r where r.ctid = any($2::tid[]) and ${old} and not ${held}
          and (${taskState} is null or ${taskState} = any($3)) returning 1 as gone`,
      [keepMs, rows.map(({ place }) => place), ENDED_STATES],
    );
  return {
    table,
    begin: () => {
      let behind: Candidate | null = null;
      return async (limit) => {
        const rows: readonly Candidate[] = await look(behind, limit);
        behind = rows.at(-1) ?? behind;
        const going = decideRetention(rows, keepMs);
        const gone = going.length === 0 ? [] : await remove(going);
        return { deleted: gone.length, more: rows.length === limit };
      };
    },
    oldestSeconds: async () => {
      const [row] = await database.query<{ seconds: number | null }>(
        `select extract(epoch from clock_timestamp() - min(r."${aged}"))::float as seconds from "${table}" r where ${only}`,
      );
      return row?.seconds ?? null;
    },
  };
}
