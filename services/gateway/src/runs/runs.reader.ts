import type { LogPage, Run } from '@capstan/api';
import { UserError, type Id, type LogKind, type RunOutcome, type RunReason, type RunState } from '@capstan/domain';
import type { Tx } from '@capstan/database';
import { instant } from '../http/time.js';

interface RunRow {
  readonly id: Id;
  readonly taskId: Id;
  readonly number: number;
  readonly reason: RunReason;
  readonly state: RunState;
  readonly agent: string;
  readonly podId: Id;
  readonly slot: number;
  readonly outcome: RunOutcome | null;
  readonly usage: Run['usage'] | null;
  readonly costUsd: string;
  readonly logSequence: number;
  readonly logExpiredAt: Date | null;
  readonly lastLineAt: Date | null;
  readonly stalledAt: Date | null;
  readonly placedAt: Date;
  readonly launchedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly deadlineAt: Date | null;
  readonly version: number;
}

const SELECT = `
  select run.id, task_id, number, reason, state, agent->>'agent' as agent, pod_id, slot, outcome,
         trim_scale(cost_usd)::text as cost_usd, log_sequence, log_expired_at, last_line_at, stalled_at, placed_at, launched_at,
         finished_at, deadline_at, version,
         (select jsonb_agg(jsonb_build_object('model', u.model, 'inputTokens', u.input_tokens, 'outputTokens', u.output_tokens,
            'cacheReadTokens', u.cache_read_tokens, 'cacheWriteTokens', u.cache_write_tokens,
            'costUsd', trim_scale(u.cost_usd)::text) order by u.model)
            from usage u where u.run_id = run.id) as usage
    from run`;

export async function readRun(tx: Tx, workspaceId: Id, id: Id): Promise<Run> {
  const [row] = await tx.query<RunRow>(`${SELECT} where workspace_id = $1 and id = $2`, [workspaceId, id]);
  if (row === undefined) throw runNotFound(id);
  return runAnswer(row);
}

/** A task's runs, oldest first. */
export async function runsOfTask(tx: Tx, workspaceId: Id, taskId: Id): Promise<Run[]> {
  const rows = await tx.query<RunRow>(`${SELECT} where workspace_id = $1 and task_id = $2 order by number`, [
    workspaceId,
    taskId,
  ]);
  return rows.map(runAnswer);
}

function runAnswer(row: RunRow): Run {
  const { outcome } = row;
  return {
    id: row.id,
    taskId: row.taskId,
    number: row.number,
    reason: row.reason,
    state: row.state,
    agent: row.agent,
    podId: row.podId,
    slot: row.slot,
    outcome:
      outcome === null
        ? null
        : {
            kind: outcome.kind,
            detail: outcome.detail,
            symptom: outcome.symptom ?? null,
            commitCount: outcome.commitCount ?? null,
            head: outcome.head ?? null,
          },
    usage: row.usage ?? [],
    costUsd: row.costUsd,
    logLines: row.logSequence,
    logExpiredAt: instant(row.logExpiredAt),
    lastLineAt: instant(row.lastLineAt),
    stalledAt: instant(row.stalledAt),
    placedAt: instant(row.placedAt),
    launchedAt: instant(row.launchedAt),
    finishedAt: instant(row.finishedAt),
    deadlineAt: instant(row.deadlineAt),
    version: row.version,
  };
}

export interface LogHead {
  readonly workspaceId: Id;
  /** Highest sequence stored. */
  readonly head: number;
  /** No line will follow. */
  readonly ended: boolean;
  /** Since when nobody is shown a line of it; the head is 0 then. */
  readonly expiredAt: Date | null;
}

/** How far a run's log goes; null for a run that isn't in the workspace. */
export async function readLogHead(tx: Tx, workspaceId: Id, runId: Id): Promise<LogHead | null> {
  // The state first: a run that has finished by then has no line that the count could miss.
  const [row] = await tx.query<LogHead>(
    `select workspace_id, state = 'finished' as ended, log_expired_at as expired_at,
            case when log_expired_at is null
                 then coalesce((select max(sequence) from run_log where run_id = run.id), 0) else 0 end as head
       from run where workspace_id = $1 and id = $2`,
    [workspaceId, runId],
  );
  return row ?? null;
}

interface LogRow {
  readonly sequence: number;
  readonly at: Date;
  readonly kind: LogKind;
  readonly text: string;
  readonly data: Record<string, unknown> | null;
}

/** Lines after a sequence number, in order; none of a log that has expired, however much of it is still there. */
export async function readLogLines(
  tx: Tx,
  workspaceId: Id,
  runId: Id,
  after: number,
  limit: number,
): Promise<LogPage['lines']> {
  const rows = await tx.query<LogRow>(
    `select sequence, at, kind, text, data from run_log
      where workspace_id = $1 and run_id = $2 and sequence > $3
        and exists (select from run where id = $2 and log_expired_at is null) order by sequence limit $4`,
    [workspaceId, runId, Math.min(after, 2_147_483_647), limit],
  );
  return rows.map(({ sequence, at, kind, text, data }) => ({
    sequence,
    at: instant(at),
    kind,
    text,
    ...(data === null ? {} : { data }),
  }));
}

export async function readLogPage(
  tx: Tx,
  workspaceId: Id,
  runId: Id,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<LogPage> {
  const head = await readLogHead(tx, workspaceId, runId);
  if (head === null) throw runNotFound(runId);
  const lines = await readLogLines(tx, workspaceId, runId, after, limit);
  // A line may have come since the head was read; an answer never holds a line above its own head.
  const reached = Math.max(head.head, lines.at(-1)?.sequence ?? 0);
  return { runId, lines, head: reached, ended: head.ended, expiredAt: instant(head.expiredAt) };
}

function runNotFound(id: Id): UserError {
  return new UserError(`No run ${id} in this workspace`, { code: 'run_not_found', status: 404, field: 'runId' });
}
