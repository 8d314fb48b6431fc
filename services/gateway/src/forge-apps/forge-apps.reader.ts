import type { z } from 'zod';
import type { ForgeApp as ForgeAppSchema } from '@capstan/api';
import { UserError, type Id } from '@capstan/domain';
import type { ForgeApp, Tx } from '@capstan/database';
import { forge } from '@capstan/forges';
import { instant } from '../http/time.js';

type ForgeAppAnswer = z.infer<typeof ForgeAppSchema>;
type Row = ForgeApp & { readonly repositories: number };

const SELECT = `
  select a.*, (select count(*)::int from repository r where r.workspace_id = a.workspace_id
                 and r.credential_secret = a.credential_secret and r.archived_at is null) as repositories
    from forge_app a where a.workspace_id = $1 and a.removed_at is null`;

/** Apps, oldest first. */
export async function listForgeApps(tx: Tx, workspaceId: Id): Promise<ForgeAppAnswer[]> {
  const rows = await tx.query<Row>(`${SELECT} order by a.created_at, a.id`, [workspaceId]);
  return rows.map(answerOf);
}

/** @throws UserError 404 `forge_app_not_found`. */
export async function readForgeApp(tx: Tx, workspaceId: Id, id: Id): Promise<ForgeAppAnswer> {
  const [row] = await tx.query<Row>(`${SELECT} and a.id = $2`, [workspaceId, id]);
  if (row !== undefined) return answerOf(row);
  throw new UserError(`No app ${id} in this workspace`, {
    code: 'forge_app_not_found',
    status: 404,
    field: 'forgeAppId',
  });
}

function answerOf(row: Row): ForgeAppAnswer {
  const { id, apiUrl, slug, name, owner, url, credentialSecret, repositories } = row;
  return {
    ...{ id, apiUrl, slug, name, owner, url, credentialSecret, repositories },
    forge: row.forge as ForgeAppAnswer['forge'],
    installUrl: forge(row.forge).apps.installationUrl(row),
    deliversWebhooks: row.webhookSecret !== null,
    createdAt: instant(row.createdAt),
  };
}
