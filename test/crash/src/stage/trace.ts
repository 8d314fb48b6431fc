import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type pg from 'pg';

/**
 * Installed by the suite alone: writes every insert and update of a task, a run or an effect down, in the transaction
 * that makes it, so that what is rolled back leaves none. `security definer`, for services may not write here.
 */
const INSTALL = `
  create table crash_trace (
    seq bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(),
    "table" text not null, op text not null, id uuid not null, old jsonb, new jsonb not null);
  create function crash_trace_write() returns trigger language plpgsql security definer as $trace$
  begin
    insert into public.crash_trace ("table", op, id, old, new)
    values (tg_table_name, lower(tg_op), new.id, case when tg_op = 'UPDATE' then to_jsonb(old) end, to_jsonb(new));
    return null;
  end $trace$;
  create trigger crash_trace after insert or update on task for each row execute function crash_trace_write();
  create trigger crash_trace after insert or update on run for each row execute function crash_trace_write();
  create trigger crash_trace after insert or update on effect for each row execute function crash_trace_write();`;

export async function installTrace(database: pg.Pool): Promise<void> {
  await database.query(INSTALL);
}

const PAGE = 2_000;

/** Writes the trace as ndjson, oldest first. @returns how many lines. */
export async function writeTrace(database: pg.Pool, file: string): Promise<number> {
  const out = createWriteStream(file, { mode: 0o600 });
  let after = 0;
  let count = 0;
  for (;;) {
    const { rows } = await database.query<{ seq: string; line: string }>(
      `select seq, json_build_object('seq', seq, 'at', at, 'table', "table", 'op', op, 'id', id, 'old', old, 'new', new)::text as line
         from crash_trace where seq > $1 order by seq limit $2`,
      [after, PAGE],
    );
    for (const { line } of rows) if (!out.write(`${line}\n`)) await once(out, 'drain');
    count += rows.length;
    if (rows.length < PAGE) break;
    after = Number(rows.at(-1)!.seq);
  }
  out.end();
  await once(out, 'finish');
  return count;
}
