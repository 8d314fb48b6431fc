import type { TaskDetail } from '@capstan/api';
import { shortId, traceIdOf, type Id, type RunLimits, type RunState, type TaskState } from '@capstan/domain';
import type { Tx } from '@capstan/database';
import { runsOfTask } from '../runs/runs.reader.js';
import { actionsOf } from './task-actions.js';
import { TASK_COLUMNS, TASK_JOINS, taskAnswer, type TaskRow } from './task-row.js';

type DetailRow = TaskRow & {
  readonly body: string;
  readonly baseBranch: string;
  readonly limits: Partial<RunLimits> | null;
  readonly maxRunMinutes: number;
  readonly maxCostUsd: number;
  readonly maxTurns: number;
  readonly stallMinutes: number;
  readonly traceparent: string | null;
  readonly backingOff: boolean;
  readonly runState: RunState | null;
};

/** A task whole. The caller has made sure that it is there. */
export async function readTaskDetail(tx: Tx, workspaceId: Id, id: Id): Promise<TaskDetail> {
  const [row] = await tx.query<DetailRow>(
    `select ${TASK_COLUMNS}, t.body, t.base_branch, t.limits, t.traceparent, t.not_before is not null as backing_off, run.state as run_state,
            r.max_run_minutes, r.max_cost_usd::float as max_cost_usd, r.max_turns, r.stall_minutes
       from task t ${TASK_JOINS} where t.workspace_id = $1 and t.id = $2`,
    [workspaceId, id],
  );
  const detail = row!;
  const { maxRunMinutes, maxCostUsd, maxTurns, stallMinutes, limits } = detail;
  const task = taskAnswer(detail);
  return {
    ...task,
    body: detail.body,
    baseBranch: detail.baseBranch,
    limits: {
      maxRunMinutes: limits?.maxRunMinutes ?? maxRunMinutes,
      maxCostUsd: limits?.maxCostUsd ?? maxCostUsd,
      maxTurns: limits?.maxTurns ?? maxTurns,
      stallMinutes: limits?.stallMinutes ?? stallMinutes,
    },
    ownLimits: limits ?? {},
    dependsOn: await neighbours(tx, workspaceId, id, 'depends_on_id', 'task_id'),
    neededBy: await neighbours(tx, workspaceId, id, 'task_id', 'depends_on_id'),
    runs: await runsOfTask(tx, workspaceId, id),
    actions: actionsOf({
      state: detail.state,
      intent: detail.intent,
      backingOff: detail.backingOff,
      runState: detail.runState,
      pullRequest: task.pullRequest !== null && task.pullRequest.number !== null,
    }),
    traceId: traceIdOf(detail.traceparent),
  };
}

type End = 'task_id' | 'depends_on_id';

async function neighbours(tx: Tx, workspaceId: Id, id: Id, wanted: End, given: End): Promise<TaskDetail['dependsOn']> {
  const rows = await tx.query<{ id: Id; title: string; state: TaskState }>(
    `select t.id, t.title, t.state from task_dependency d join task t on t.id = d.${wanted}
      where d.workspace_id = $1 and d.${given} = $2 order by t.created_at, t.id`,
    [workspaceId, id],
  );
  return rows.map((row) => ({ ...row, shortId: shortId(row.id) }));
}
