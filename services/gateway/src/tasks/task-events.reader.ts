import type { z } from 'zod';
import type { TaskEvent } from '@capstan/api';
import type { Actor, Id, TaskState } from '@capstan/domain';
import type { Tx } from '@capstan/database';
import { fromUs, pageOfRows, readCursor, usOf } from '../http/cursor.js';
import { instant } from '../http/time.js';

type Answer = z.infer<typeof TaskEvent>;
interface Row {
  readonly id: Id;
  readonly taskId: Id;
  readonly at: Date;
  readonly kind: Answer['kind'];
  readonly fromState: TaskState | null;
  readonly toState: TaskState | null;
  readonly cause: string;
  readonly actor: Actor;
  readonly userName: string | null;
  readonly traceId: string | null;
  readonly atUs: string;
}

interface Page {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

const SELECT = `
  select e.id, e.task_id, e.at, e.kind, e.from_state, e.to_state, e.cause, e.actor, u.name as user_name, e.trace_id,
         ${usOf('e.at')} as at_us
    from task_event e left join "user" u on e.actor->>'kind' = 'user' and u.id::text = e.actor->>'id'`;

/** A task's life, oldest first. */
export async function eventsOfTask(tx: Tx, workspaceId: Id, taskId: Id, page: Page) {
  const cursor = readCursor('task-events', page.cursor);
  const found = await tx.query<Row>(
    `${SELECT} where e.workspace_id = $1 and e.task_id = $2
        and ($3::text is null or (e.at, e.id) > (${fromUs('$3')}, $4::uuid)) order by e.at, e.id limit $5`,
    [workspaceId, taskId, cursor?.atUs ?? null, cursor?.id ?? null, page.limit + 1],
  );
  const { rows, next } = pageOfRows('task-events', found, page.limit);
  return { items: rows.map(eventAnswer), next };
}

/** What happened in the workspace, newest first. */
export async function eventsOfWorkspace(tx: Tx, workspaceId: Id, page: Page) {
  const cursor = readCursor('events', page.cursor);
  const found = await tx.query<Row>(
    `${SELECT} where e.workspace_id = $1
        and ($2::text is null or (e.at, e.id) < (${fromUs('$2')}, $3::uuid)) order by e.at desc, e.id desc limit $4`,
    [workspaceId, cursor?.atUs ?? null, cursor?.id ?? null, page.limit + 1],
  );
  const { rows, next } = pageOfRows('events', found, page.limit);
  return { items: rows.map(eventAnswer), next };
}

function eventAnswer(row: Row): Answer {
  return {
    id: row.id,
    taskId: row.taskId,
    at: instant(row.at),
    kind: row.kind,
    from: row.fromState,
    to: row.toState,
    cause: row.cause,
    actor: { kind: row.actor.kind, id: row.actor.id, name: row.userName },
    traceId: row.traceId,
  };
}
