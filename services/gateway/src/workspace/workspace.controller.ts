import { Controller } from '@nestjs/common';
import { routes } from '@capstan/api';
import { Database, type Tx, type Workspace } from '@capstan/database';
import type { Id } from '@capstan/domain';
import { workspaceChanged } from '@capstan/events';
import { audit } from '../access/audit.js';
import { PAUSED_BY } from '../access/me.reader.js';
import { actorOf, type AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { instant } from '../http/time.js';

@Controller()
export class WorkspaceController {
  constructor(private readonly database: Database) {}

  /** What changes nothing leaves no trace: a second pause is the first one's. */
  @Serves(routes.patchWorkspace)
  patch({ caller, body }: AskOf<typeof routes.patchWorkspace>) {
    const { workspaceId } = caller;
    return this.database.transaction(
      async (tx) => {
        const [row] = await tx.query<Workspace>(
          `update workspace set name = coalesce($2, name), version = version + 1,
                  paused_at = case when $3::boolean is null then paused_at when $3 then coalesce(paused_at, clock_timestamp()) end,
                  paused_by = case when $3::boolean is null or $3 and paused_at is not null then paused_by when $3 then $4::jsonb end
            where id = $1 and ($2::text is distinct from name and $2 is not null
                               or $3::boolean is not null and $3 <> (paused_at is not null)) returning *`,
          [workspaceId, body.name ?? null, body.paused ?? null, JSON.stringify(actorOf(caller))],
        );
        if (row !== undefined) {
          await tx.emit(workspaceChanged, { workspaceId, version: row.version });
          await audit(tx, caller, 'workspace.changed', workspaceId, { ...body });
        }
        return readWorkspace(tx, workspaceId);
      },
      { workspaceId },
    );
  }
}

async function readWorkspace(tx: Tx, workspaceId: Id) {
  const [row] = await tx.query<Pick<Workspace, 'name' | 'slug' | 'pausedAt'> & { pausedBy: string | null }>(
    `select w.name, w.slug, w.paused_at, ${PAUSED_BY} as paused_by from workspace w where w.id = $1`,
    [workspaceId],
  );
  const { name, slug, pausedAt, pausedBy } = row!;
  return { id: workspaceId, name, slug, pausedAt: instant(pausedAt), pausedBy };
}
