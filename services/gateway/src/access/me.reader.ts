import { ROLE_PERMISSIONS, type Me } from '@capstan/api';
import type { Id } from '@capstan/domain';
import type { Tx } from '@capstan/database';
import { VERSION } from '../version.js';

/** SQL: the name of who paused the workspace `w`; null while it isn't paused. */
export const PAUSED_BY = `case when w.paused_at is not null then
  coalesce((select name from "user" where id::text = w.paused_by->>'id'), w.paused_by->>'id') end`;

/** Who somebody is in a workspace. Isolation is claimed only when a probe proved it of every pod that stands. */
export async function readMe(tx: Tx, userId: Id, workspaceId: Id): Promise<Me> {
  const [row] = await tx.query<{
    email: string;
    userName: string;
    role: Me['role'];
    name: string;
    slug: string;
    pausedAt: Date | null;
    pausedBy: string | null;
    isolated: boolean | null;
  }>(
    `select u.email, u.name as user_name, m.role, w.name, w.slug, w.paused_at,
            ${PAUSED_BY} as paused_by,
            (select bool_and(isolation = 'isolated') from pod
              where workspace_id = w.id and deleted_at is null and state = 'ready') as isolated
       from "user" u join membership m on m.user_id = u.id join workspace w on w.id = m.workspace_id
      where u.id = $1 and w.id = $2`,
    [userId, workspaceId],
  );
  const { email, userName, role, name, slug, pausedAt, pausedBy, isolated } = row!;
  return {
    user: { id: userId, email, name: userName },
    workspace: { id: workspaceId, name, slug, pausedAt: pausedAt?.toISOString() ?? null, pausedBy },
    role,
    permissions: [...ROLE_PERMISSIONS[role]],
    isolation: isolated === null ? 'unknown' : isolated ? 'isolated' : 'not_isolated',
    version: VERSION,
  };
}
