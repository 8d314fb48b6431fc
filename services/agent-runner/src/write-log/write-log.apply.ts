import { Bug, type LogLine, type Usage } from '@capstan/domain';
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
 * both stand or fall together, whoever takes over reads on exactly behind the last line stored. Repeating the last batch,
 * whose commit may have gone unheard, writes nothing and is `applied` too. `fenced`: nothing was written, a newer epoch
 * has the run. Throws Bug `log_out_of_order` for a batch that doesn't follow on what is stored.
 */
export async function writeLog(
  database: Database,
  run: Pick<Run, 'id' | 'workspaceId' | 'epoch'>,
  batch: LogBatchWrite,
): Promise<'applied' | 'fenced'> {
  const first = await tryWrite(database, run, batch);
  // What was given up here may have been under way still at the server: whoever waited for it saw the row as it was before.
  const outcome = first === 'misfit' ? await tryWrite(database, run, batch) : first;
  if (outcome === 'misfit')
    throw new Bug(`lines up to ${batch.logSequence} of run ${run.id} don't follow on what is stored`, {
      code: 'log_out_of_order',
    });
  return outcome;
}

async function tryWrite(
  database: Database,
  run: Pick<Run, 'id' | 'workspaceId' | 'epoch'>,
  batch: LogBatchWrite,
): Promise<'applied' | 'fenced' | 'misfit'> {
  const [row] = await database.query<{ outcome: 'applied' | 'fenced' | 'misfit' }>(
    `with fence as (
       update run set journal_line = $3, log_sequence = $4, parse_state = $5, session = coalesce($6, session),
              cost_usd = coalesce($7::numeric, cost_usd), last_line_at = case when $8 then clock_timestamp() else last_line_at end
        where id = $1 and log_sequence = $19 and epoch = $2 and state <> 'finished' returning id, workspace_id),
     -- Before the update, as everything here sees it.
     stored as (select log_sequence = $4 and journal_line = $3 as same from run where id = $1 and epoch = $2 and state <> 'finished'),
     lines as (
       insert into run_log (workspace_id, run_id, sequence, at, kind, text, data)
       select fence.workspace_id, fence.id, l.* from fence,
              unnest($9::int[], $10::timestamptz[], $11::text[], $12::text[], $13::jsonb[]) as l(sequence, at, kind, text, data)),
     used as (
       insert into usage (workspace_id, run_id, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd)
       select workspace_id, id, $14, $15, $16, $17, $18, $7::numeric from fence where $14::text is not null
       on conflict (run_id, model) do update set input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
         cache_read_tokens = excluded.cache_read_tokens, cache_write_tokens = excluded.cache_write_tokens, cost_usd = excluded.cost_usd)
     select case when exists (select from fence) then 'applied'
                 else coalesce((select case when same then 'applied' else 'misfit' end from stored), 'fenced') end as outcome`,
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
      batch.logSequence - batch.lines.length,
    ],
  );
  return row?.outcome ?? 'fenced';
}
