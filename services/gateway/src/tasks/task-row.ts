import type { z } from 'zod';
import type { Task } from '@capstan/api';
import {
  COLUMN_OF_STATE,
  shortId,
  type Id,
  type Isolation,
  type TaskIntent,
  type TaskKind,
  type TaskState,
} from '@capstan/domain';
import type { AttentionJson, WaitingJson } from '@capstan/database';
import { usOf } from '../http/cursor.js';
import { PAUSED_BY } from '../access/me.reader.js';
import { instant } from '../http/time.js';
import { explain } from './explanation.js';

type TaskInput = z.infer<typeof Task>;

export interface TaskRow {
  readonly id: Id;
  readonly kind: TaskKind;
  readonly title: string;
  readonly state: TaskState;
  readonly priority: number;
  readonly repositoryId: Id;
  readonly fullName: string;
  readonly agent: string;
  readonly intent: TaskIntent | null;
  readonly waiting: WaitingJson | null;
  /** Counted from 1 in the order in which tasks are placed; null unless it is queued. */
  readonly position: number | null;
  readonly attention: AttentionJson | null;
  readonly branch: string | null;
  readonly currentRunId: Id | null;
  readonly runCount: number;
  readonly costUsd: string;
  readonly agentUnconfirmed: boolean;
  readonly stalledSince: Date | null;
  /** Set while the workspace is paused and the task's work waits for that, though the task itself is at work. */
  readonly pausedWork: { readonly at: string; readonly by: string | null } | null;
  readonly isolation: Isolation | null;
  readonly ticket: { readonly key: string; readonly url: string } | null;
  readonly pullRequest: TaskInput['pullRequest'];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly version: number;
  /** For the cursor. */
  readonly atUs: string;
}

/** Columns of a task `t` joined by {@link TASK_JOINS}. */
export const TASK_COLUMNS = `
  t.id, t.kind, t.title, t.state, t.priority, t.repository_id, r.full_name,
  coalesce(run.agent->>'agent', r.agent->>'agent') as agent, t.intent, t.waiting, t.attention, t.branch, t.current_run_id,
  case when t.state = 'queued' then (select count(*)::int from task ahead
    where ahead.workspace_id = t.workspace_id and ahead.state = 'queued'
      and (ahead.priority, ahead.created_at, ahead.id) <= (t.priority, t.created_at, t.id)) end as position,
  t.run_count, trim_scale(t.cost_usd)::text as cost_usd, t.agent_unconfirmed,
  case when run.state <> 'finished' and run.stalled_at >= coalesce(run.last_line_at, run.stalled_at)
    then coalesce(run.last_line_at, run.launched_at, run.stalled_at) end as stalled_since, pod.isolation,
  case when w.paused_at is not null and t.state = 'running' and run.state = 'finished' and t.attention is null
    then jsonb_build_object('at', w.paused_at, 'by', ${PAUSED_BY}) end as paused_work,
  case when ticket.id is not null then jsonb_build_object('key', ticket.key, 'url', ticket.url) end as ticket,
  case when pr.id is not null then jsonb_build_object('id', pr.id, 'number', pr.number, 'url', pr.url,
    'state', pr.state, 'checks', pr.checks, 'reviews', pr.reviews) end as pull_request,
  t.created_at, t.updated_at, t.started_at, t.ended_at, t.version, ${usOf('t.created_at')} as at_us`;

/** The pull request is the latest: that of the task's highest generation. */
export const TASK_JOINS = `
  join repository r on r.id = t.repository_id
  join workspace w on w.id = t.workspace_id
  left join run on run.id = t.current_run_id
  left join pod on pod.id = run.pod_id
  left join ticket on ticket.id = t.ticket_id
  left join lateral (select * from pull_request p where p.task_id = t.id order by p.generation desc limit 1) pr on true`;

const WAITING_STATES: readonly TaskState[] = ['waiting', 'queued', 'provisioning'];

export function taskAnswer(row: TaskRow): TaskInput {
  const { repositoryId, fullName } = row;
  return {
    id: row.id,
    shortId: shortId(row.id),
    kind: row.kind,
    title: row.title,
    state: row.state,
    column: COLUMN_OF_STATE[row.state],
    priority: row.priority,
    repository: { id: repositoryId, fullName },
    agent: row.agent,
    intent: row.intent,
    waiting: waitingOf(row),
    attention: explain(row.attention),
    branch: row.branch,
    ticket: row.ticket,
    pullRequest: row.pullRequest,
    currentRunId: row.currentRunId,
    runCount: row.runCount,
    costUsd: row.costUsd,
    agentUnconfirmed: row.agentUnconfirmed,
    stalled: row.stalledSince !== null,
    stalledSince: instant(row.stalledSince),
    isolation: row.isolation,
    createdAt: instant(row.createdAt),
    updatedAt: instant(row.updatedAt),
    startedAt: instant(row.startedAt),
    endedAt: instant(row.endedAt),
    version: row.version,
  };
}

/** The words of a placed task are the scheduler's; that its finished work is held back shows only here. */
function waitingOf({ waiting, state, position, pausedWork }: TaskRow): TaskInput['waiting'] {
  if (waiting !== null && WAITING_STATES.includes(state)) return { ...explain(waiting), position };
  if (pausedWork === null) return null;
  const by = pausedWork.by === null ? '' : ` by ${pausedWork.by}`;
  const since = `${new Date(pausedWork.at).toISOString().slice(11, 16)} UTC`;
  const detail = `Paused${by} since ${since}: the work is published when the workspace is resumed`;
  return { ...explain({ code: 'paused', detail }), position: null };
}
