import type { z } from 'zod';
import type { ParkedPage, ParkedRow } from '@capstan/api';
import { PARKED_ROWS, type Tx } from '@capstan/database';
import {
  DROP_MEANS,
  UserError,
  isSymptomCode,
  shortId,
  symptomOf,
  type EffectKind,
  type Id,
  type ParkedAction,
  type ParkedKind,
} from '@capstan/domain';
import { fromUs, pageOfRows, readCursor, usOf } from '../http/cursor.js';
import { instant } from '../http/time.js';

type Answer = z.infer<typeof ParkedRow>;

/** What a request of a parked row is written with. */
export interface ParkedTarget {
  readonly kind: ParkedKind;
  readonly id: Id;
  readonly effectKind: EffectKind | null;
}

interface Row extends ParkedTarget {
  readonly subject: string;
  readonly taskId: Id | null;
  readonly taskTitle: string | null;
  readonly repositoryId: Id | null;
  readonly fullName: string | null;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly code: string | null;
  readonly parkedAt: Date;
  readonly holds: string | null;
  readonly asked: ParkedAction | null;
  readonly atUs: string;
}

/** Events of no workspace are everybody's. */
const OURS = '(parked.workspace_id = $1 or parked.workspace_id is null)';

/** What is parked, the newest first. */
export async function listParked(
  tx: Tx,
  workspaceId: Id,
  query: { readonly kind?: ParkedKind | undefined; readonly cursor?: string | undefined; readonly limit: number },
): Promise<z.input<typeof ParkedPage>> {
  const cursor = readCursor('parked', query.cursor);
  const found = await tx.query<Row>(
    `select parked.*, t.title as task_title, r.full_name, ${usOf('parked.parked_at')} as at_us,
            (select action from parked_request q where q.row_id = parked.id and q.kind = parked.kind and q.answered_at is null
              order by q.created_at desc limit 1) as asked
       from ${PARKED_ROWS} parked left join task t on t.id = parked.task_id left join repository r on r.id = parked.repository_id
      where ${OURS} and ($2::text is null or parked.kind = $2)
        and ($3::text is null or (parked.parked_at, parked.id) < (${fromUs('$3')}, $4::uuid))
      order by parked.parked_at desc, parked.id desc limit $5`,
    [workspaceId, query.kind ?? null, cursor?.atUs ?? null, cursor?.id ?? null, query.limit + 1],
  );
  const counts = await tx.query<{ kind: ParkedKind; count: number }>(
    `select kind, count(*)::int as count from ${PARKED_ROWS} parked where ${OURS} group by kind order by kind`,
    [workspaceId],
  );
  const { rows, next } = pageOfRows('parked', found, query.limit);
  return {
    items: rows.map(answer),
    next,
    counts: Object.fromEntries(counts.map(({ kind, count }) => [kind, count])),
    total: counts.reduce((sum, { count }) => sum + count, 0),
  };
}

/** Everything that is parked, for a replay of all. */
export function allParked(tx: Tx, workspaceId: Id, kind: ParkedKind | undefined): Promise<ParkedTarget[]> {
  return tx.query<ParkedTarget>(
    `select kind, id, effect_kind from ${PARKED_ROWS} parked where ${OURS} and ($2::text is null or kind = $2)
        and not exists (select from parked_request q where q.row_id = parked.id and q.answered_at is null)
      order by parked_at`,
    [workspaceId, kind ?? null],
  );
}

/**
 * A row of a kind by its id or short id, parked or not: what was parked a moment ago is no stranger.
 * @throws UserError 404 `parked_row_not_found`; 409 `short_id_ambiguous`.
 */
export async function findParkable(tx: Tx, workspaceId: Id, kind: ParkedKind, id: string): Promise<ParkedTarget> {
  const workspace =
    kind === 'outbox' ? `coalesce(payload->>'workspaceId', $1::text) = $1::text` : 'workspace_id = $1::uuid';
  const effectKind = kind === 'effect' ? 'kind' : 'null';
  const match = id.length === 36 ? 'id::text = lower($2)' : 'right(id::text, 8) = lower($2)';
  const rows = await tx.query<Omit<ParkedTarget, 'kind'> & { readonly parked: boolean }>(
    `select id, ${effectKind} as effect_kind, parked_at is not null as parked from "${kind}"
      where ${workspace} and ${match} order by parked_at nulls last limit 3`,
    [workspaceId, id],
  );
  const parked = rows.filter((row) => row.parked);
  const candidates = parked.length > 0 ? parked : rows;
  const [row] = candidates;
  const words = kind.replaceAll('_', ' ');
  if (row === undefined)
    throw new UserError(`No ${words} ${id} in this workspace`, {
      code: 'parked_row_not_found',
      status: 404,
      field: 'rowId',
      remedy: 'See what is parked: capstan get parked, or the page Parked.',
    });
  if (candidates.length > 1)
    throw new UserError(`${id} is the short id of more than one ${words}`, {
      code: 'short_id_ambiguous',
      status: 409,
      field: 'rowId',
      remedy: 'Name it by its whole id: capstan get parked -o json.',
    });
  return { kind, id: row.id, effectKind: row.effectKind };
}

function answer(row: Row): Answer {
  const { kind, id, subject, attempts, holds, asked, taskId, repositoryId } = row;
  return {
    kind,
    id,
    shortId: shortId(id),
    subject,
    task: taskId === null ? null : { id: taskId, shortId: shortId(taskId), title: row.taskTitle ?? '' },
    repository: repositoryId === null ? null : { id: repositoryId, fullName: row.fullName ?? '' },
    attempts,
    lastError: explained(row.lastError ?? 'No reason is known', row.code),
    parkedAt: instant(row.parkedAt),
    holds,
    dropMeans: DROP_MEANS[kind],
    asked,
  };
}

/** The registry's words beside the error's own; advice that stands in both is said once. */
function explained(detail: string, code: string | null): Answer['lastError'] {
  if (code === null || !isSymptomCode(code)) return { code: null, title: null, detail, remedy: null };
  const { title, remedy } = symptomOf(code);
  const own = detail.endsWith(remedy) ? detail.slice(0, -remedy.length).trim() : detail;
  return { code, title, detail: own || detail, remedy };
}
