import type pg from 'pg';
import type { DatabaseWorld } from '../world.js';

/** Unix ms of a column, null where it is. */
const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

/** Plain SQL, as the superuser. */
export async function readDatabase(pool: pg.Pool): Promise<DatabaseWorld & { readonly now: number }> {
  const query = async <T>(sql: string): Promise<T[]> => (await pool.query(sql)).rows as T[];
  const [clock] = await query<{ now: number }>(`select ${ms('clock_timestamp()')} as now`);
  return {
    now: clock!.now,
    tasks: await query(`
      select t.id, t.title, r.full_name as "fullName", t.state, t.attention->>'code' as attention, t.intent,
             k.key as "ticketKey", t.branch, t.generation, t.cost_usd::text as "costUsd", ${ms('t.ended_at')} as "endedAt"
        from task t join repository r on r.id = t.repository_id left join ticket k on k.id = t.ticket_id order by t.created_at`),
    runs: await query(`
      select id, task_id as "taskId", number, state, outcome->>'kind' as outcome, outcome->>'detail' as detail, owner,
             coalesce(outcome->>'head', head_sha) as "headSha", cost_usd::text as "costUsd", log_sequence as "logSequence"
        from run order by task_id, number`),
    logs: await query(`
      select run_id as "runId", array_agg(sequence order by sequence) as sequences,
             coalesce(array_agg(text order by sequence) filter (where kind = 'text'), '{}') as texts
        from run_log group by run_id`),
    usage: await query(`select run_id as "runId", coalesce(cost_usd, 0)::text as "costUsd" from usage`),
    effects: await query(`
      select id, task_id as "taskId", kind, key, state, result->>'code' as code, last_error as "lastError"
        from effect order by created_at`),
    pullRequests: await query(`
      select task_id as "taskId", branch, number, state, pushed_sha as "pushedSha", merge_commit as "mergeCommit"
        from pull_request`),
    worktrees: await query(`
      select w.task_id as "taskId", p.name as "podName", w.path, w.removed_at is not null or p.deleted_at is not null as removed
        from worktree w join pod p on p.id = w.pod_id`),
    pods: await query(`select name, state, deleted_at is not null as deleted from pod`),
    parked: await readParked(pool),
    outbox: await query(
      `select id, event, (extract(epoch from clock_timestamp() - created_at) * 1000)::float8 as "ageMs" from outbox`,
    ),
    unanswered: await query(`select id, kind from task_request where answered_at is null`),
    locks: await query(`
      select l.pid, l.classid || '/' || l.objid as key, a.query from pg_locks l join pg_stat_activity a on a.pid = l.pid
       where l.locktype = 'advisory' and l.granted and a.datname = current_database()`),
  };
}

/** Of every table that can hold such rows, whichever those are. */
async function readParked(pool: pg.Pool): Promise<DatabaseWorld['parked']> {
  const { rows: tables } = await pool.query<{ name: string; worded: boolean }>(`
    select c.table_name as name, exists (select from information_schema.columns o where o.table_schema = c.table_schema
             and o.table_name = c.table_name and o.column_name = 'last_error') as worded
      from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = 'public' and c.column_name = 'parked_at' and t.table_type = 'BASE TABLE'`);
  const found: DatabaseWorld['parked'][number][] = [];
  for (const { name, worded } of tables) {
    const { rows } = await pool.query<{ id: string; lastError: string | null }>(
      `select id::text, ${worded ? 'last_error' : 'null'} as "lastError" from "${name}" where parked_at is not null`,
    );
    found.push(...rows.map((row) => ({ table: name, ...row })));
  }
  return found;
}
