import { ForgeApp, type Tx } from '@capstan/database';
import { shortId, UserError, type Id } from '@capstan/domain';
import type { ForgeAppRegistration } from '@capstan/forges';
import type { Vault } from '@capstan/service-kit';
import { audit } from '../access/audit.js';
import type { Caller } from '../http/ask.js';
import { readForgeApp } from './forge-apps.reader.js';
import type { Manifest } from './manifest-state.js';

/** Keeps an app that the forge has just handed over, and its secrets. */
export async function addForgeApp(
  tx: Tx,
  vault: Vault,
  caller: Caller,
  { id, forge, apiUrl }: Manifest,
  registered: ForgeAppRegistration,
): Promise<void> {
  const { workspaceId } = caller;
  const { appId, slug, name, owner, url, privateKey } = registered;
  const prefix = `GITHUB_APP_${shortId(id).toUpperCase()}`;
  const credentialSecret = `${prefix}_KEY`;
  const webhookSecret = registered.webhookSecret === null ? null : `${prefix}_WEBHOOK_SECRET`;
  const row = { id, workspaceId, forge, apiUrl, appId, slug, name, owner, url, credentialSecret, webhookSecret };
  await tx.insert(ForgeApp, row);
  await vault.put(tx, { workspaceId, repositoryId: null, name: credentialSecret }, privateKey);
  if (webhookSecret !== null)
    await vault.put(tx, { workspaceId, repositoryId: null, name: webhookSecret }, registered.webhookSecret!);
  await audit(tx, caller, 'forge_app.added', id, { slug, apiUrl });
}

/** Forgets an app and its secrets. What it reported stays its own. @throws UserError 409 `forge_app_in_use`. */
export async function removeForgeApp(tx: Tx, caller: Caller, id: Id): Promise<void> {
  const { workspaceId } = caller;
  const app = await readForgeApp(tx, workspaceId, id);
  if (app.repositories > 0)
    throw new UserError(`${app.repositories} repositories are reached as ${app.slug}`, {
      code: 'forge_app_in_use',
      status: 409,
      remedy: 'Give them a token or another app first, or remove them.',
    });
  await tx.query('update forge_app set removed_at = now() where workspace_id = $1 and id = $2', [workspaceId, id]);
  await tx.query(
    `delete from secret where workspace_id = $1 and repository_id is null
        and name in (select unnest(array[credential_secret, webhook_secret]) from forge_app where id = $2)`,
    [workspaceId, id],
  );
  await audit(tx, caller, 'forge_app.removed', id, { slug: app.slug });
}
