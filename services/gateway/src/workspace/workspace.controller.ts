import { Controller } from '@nestjs/common';
import { routes } from '@capstan/api';
import { Database, type Workspace } from '@capstan/database';
import { workspaceChanged } from '@capstan/events';
import { audit } from '../access/audit.js';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { instant } from '../http/time.js';

@Controller()
export class WorkspaceController {
  constructor(private readonly database: Database) {}

  @Serves(routes.patchWorkspace)
  patch({ caller, body }: AskOf<typeof routes.patchWorkspace>) {
    const { workspaceId } = caller;
    return this.database.transaction(
      async (tx) => {
        const [row] = await tx.query<Workspace>(
          `update workspace set name = coalesce($2, name), version = version + 1,
                  paused_at = case when $3::boolean is null then paused_at when $3 then coalesce(paused_at, now()) end
            where id = $1 returning *`,
          [workspaceId, body.name ?? null, body.paused ?? null],
        );
        const { name, slug, pausedAt, version } = row!;
        await tx.emit(workspaceChanged, { workspaceId, version });
        await audit(tx, caller, 'workspace.changed', workspaceId, { ...body });
        return { id: workspaceId, name, slug, pausedAt: instant(pausedAt) };
      },
      { workspaceId },
    );
  }
}
