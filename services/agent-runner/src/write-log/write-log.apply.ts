import type { LogLine, Usage } from '@capstan/domain';
import type { Database, Run } from '@capstan/database';

/** What one batch adds to a run. */
export interface LogBatchWrite {
  /** Last journal line that is in it or before it. */
  readonly journalLine: number;
  /** Last log sequence number after it. */
  readonly logSequence: number;
  readonly lines: readonly LogLine[];
  readonly parseState: unknown;
  readonly session: string | null;
  readonly usage: Usage | null;
}

/**
 * Commits a batch of lines together with how far the journal was read, in one statement under the run's epoch. Because
 * both stand or fall together, whoever takes over reads on exactly behind the last line stored. `fenced`: nothing was
 * written, a newer epoch has the run.
 */
export async function writeLog(
  database: Database,
  run: Pick<Run, 'id' | 'workspaceId' | 'epoch'>,
  batch: LogBatchWrite,
): Promise<'applied' | 'fenced'> {
  const [row] = await database.query<{ fence: number }>(
    `with fence as (
       update run set journal_line = $3, log_sequence = $4, parse_state = $5, session = coalesce($6, session),
              cost_usd = coalesce($7::numeric, cost_usd), last_line_at = case when $8 then clock_timestamp() else last_line_at end
        where id = $1 and epoch = $2 and state <> 'finished' returning id, workspace_id),
     lines as (
       insert into run_log (workspace_id, run_id, sequence, at, kind, text, data)
       select fence.workspace_id, fence.id, l.* from fence,
              unnest($9::int[], $10::timestamptz[], $11::text[], $12::text[], $13::jsonb[]) as l(sequence, at, kind, text, data)),
     used as (
       insert into usage (workspace_id, run_id, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd)
       select workspace_id, id, $14, $15, $16, $17, $18, $7::numeric from fence where $14::text is not null
       on conflict (run_id, model) do update set input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
         cache_read_tokens = excluded.cache_read_tokens, cache_write_tokens = excluded.cache_write_tokens, cost_usd = excluded.cost_usd)
     select count(*)::int as fence from fence`,
    [
      run.id,
      run.epoch,
      batch.journalLine,
      batch.logSequence,
      batch.parseState === null ? null : JSON.stringify(batch.parseState),
      batch.session,
      batch.usage?.costUsd ?? null,
      batch.lines.length > 0,
      batch.lines.map(({ sequence }) => sequence),
      batch.lines.map(({ at }) => at),
      batch.lines.map(({ kind }) => kind),
      batch.lines.map(({ text }) => text),
      batch.lines.map(({ data }) => (data === undefined ? null : JSON.stringify(data))),
      batch.usage?.model ?? null,
      batch.usage?.inputTokens ?? 0,
      batch.usage?.outputTokens ?? 0,
      batch.usage?.cacheReadTokens ?? 0,
      batch.usage?.cacheWriteTokens ?? 0,
    ],
  );
  return row?.fence === 1 ? 'applied' : 'fenced';
}
