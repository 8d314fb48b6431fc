import type { Board, Task } from '@capstan/api';
import {
  BOARD_COLUMNS,
  COLUMN_OF_STATE,
  TASK_STATES,
  UserError,
  type BoardColumn,
  type Id,
  type TaskState,
} from '@capstan/domain';
import type { Tx } from '@capstan/database';
import { fromUs, pageOfRows, readCursor } from '../http/cursor.js';
import { TASK_COLUMNS, TASK_JOINS, taskAnswer, type TaskRow } from './task-row.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The id of a task of this workspace, given whole or as its short id. @throws UserError 404 `task_not_found`. */
export async function findTaskId(tx: Tx, workspaceId: Id, given: string): Promise<Id> {
  const whole = UUID.test(given);
  const rows =
    whole || /^[0-9a-f]{8}$/i.test(given)
      ? await tx.query<{ id: Id }>(
          `select id from task where workspace_id = $1 and ${whole ? 'id = $2' : 'right(id::text, 8) = $2'}`,
          [workspaceId, given.toLowerCase()],
        )
      : [];
  if (rows[0] !== undefined) return rows[0].id;
  throw new UserError(`No task ${given.slice(0, 40)} in this workspace`, {
    code: 'task_not_found',
    status: 404,
    field: 'taskId',
    remedy: 'Give the id of a task of this workspace, or its short id of eight characters.',
  });
}

export async function readTask(tx: Tx, workspaceId: Id, id: Id): Promise<Task> {
  const [row] = await tx.query<TaskRow>(
    `select ${TASK_COLUMNS} from task t ${TASK_JOINS} where t.workspace_id = $1 and t.id = $2`,
    [workspaceId, id],
  );
  return taskAnswer(row!);
}

export interface TaskFilter {
  readonly state?: TaskState | undefined;
  readonly column?: BoardColumn | undefined;
  readonly repositoryId?: Id | undefined;
  /** In the title, the ticket's key or the short id. */
  readonly search?: string | undefined;
}

/** Tasks, newest first. */
export async function listTasks(
  tx: Tx,
  workspaceId: Id,
  filter: TaskFilter,
  page: { readonly cursor?: string | undefined; readonly limit: number },
): Promise<{ items: Task[]; next: string | null }> {
  const cursor = readCursor('tasks', page.cursor);
  const found = await tx.query<TaskRow>(
    `select ${TASK_COLUMNS} from task t ${TASK_JOINS}
      where t.workspace_id = $1 and ($2::text[] is null or t.state = any($2)) and ($3::uuid is null or t.repository_id = $3)
        and ${MATCHES('$4')} and ($5::text is null or (t.created_at, t.id) < (${fromUs('$5')}, $6::uuid))
      order by t.created_at desc, t.id desc limit $7`,
    [
      workspaceId,
      statesOf(filter),
      filter.repositoryId ?? null,
      needle(filter.search),
      cursor?.atUs ?? null,
      cursor?.id ?? null,
      page.limit + 1,
    ],
  );
  const { rows, next } = pageOfRows('tasks', found, page.limit);
  return { items: rows.map(taskAnswer), next };
}

/** Every column with its total and its first tasks: the queue in its order, all else the latest first. */
export async function readBoard(
  tx: Tx,
  workspaceId: Id,
  filter: { readonly repositoryId?: Id | undefined; readonly search?: string | undefined },
  limit: number,
): Promise<Board> {
  const where = `t.workspace_id = $1 and ($2::uuid is null or t.repository_id = $2) and ${MATCHES('$3')}`;
  const parameters = [workspaceId, filter.repositoryId ?? null, needle(filter.search)];
  const totals = await tx.query<{ state: TaskState; total: number }>(
    `select t.state, count(*)::int as total from task t left join ticket on ticket.id = t.ticket_id
      where ${where} group by t.state`,
    parameters,
  );
  const rows = await tx.query<TaskRow>(
    `select ${TASK_COLUMNS} from (values ${COLUMN_VALUES}) as board (name, ordinal, states)
      cross join lateral (
        select t.* from task t left join ticket on ticket.id = t.ticket_id
         where ${where} and t.state = any(board.states)
         order by case when board.name = 'queued' then t.priority end, case when board.name = 'queued' then t.created_at end,
                  t.updated_at desc, t.id desc
         limit $4) t
      ${TASK_JOINS}
      order by board.ordinal, case when board.name = 'queued' then t.priority end,
               case when board.name = 'queued' then t.created_at end, t.updated_at desc, t.id desc`,
    [...parameters, limit],
  );
  const tasks = rows.map(taskAnswer);
  return {
    columns: BOARD_COLUMNS.map((column) => ({
      column,
      total: totals.filter(({ state }) => COLUMN_OF_STATE[state] === column).reduce((sum, { total }) => sum + total, 0),
      items: tasks.filter((task) => task.column === column),
    })),
  };
}

const COLUMN_VALUES = BOARD_COLUMNS.map((column, ordinal) => {
  const states = TASK_STATES.filter((state) => COLUMN_OF_STATE[state] === column);
  return `('${column}', ${ordinal}, array[${states.map((state) => `'${state}'`).join(',')}])`;
}).join(',');

/** SQL that finds a text in a task's title, ticket key or short id. */
const MATCHES = (parameter: string): string =>
  `(${parameter}::text is null or position(${parameter} in lower(t.title)) > 0 or lower(ticket.key) = ${parameter} or right(t.id::text, 8) = ${parameter})`;

function needle(search: string | undefined): string | null {
  return search?.trim().toLowerCase() || null;
}

function statesOf({ state, column }: TaskFilter): readonly TaskState[] | null {
  if (state === undefined && column === undefined) return null;
  return TASK_STATES.filter(
    (each) => (state === undefined || each === state) && (column === undefined || COLUMN_OF_STATE[each] === column),
  );
}
