import type { Database, ForgeApp } from '@capstan/database';
import type { ForgeCredential } from '@capstan/domain';
import type { SecretOwner, Vault } from './vault.js';

/**
 * What a repository or ticket source that names this secret is reached with: the app whose key it is, else the token
 * that it holds. Throws UserError `credential_missing`.
 */
export async function forgeCredential(
  { database, vault }: { readonly database: Database; readonly vault: Vault },
  owner: SecretOwner,
): Promise<ForgeCredential> {
  const { workspaceId, name: secret } = owner;
  const [app] = await database.query<Pick<ForgeApp, 'appId' | 'slug' | 'apiUrl'>>(
    `select app_id, slug, api_url from forge_app
      where workspace_id = $1 and credential_secret = $2 and removed_at is null`,
    [workspaceId, secret],
  );
  if (app === undefined) return { kind: 'token', token: await vault.require(owner) };
  // An app's key is the workspace's: a secret of that name with a repository is somebody's mistake, not another key.
  return { kind: 'app', ...app, secret, privateKey: await vault.require({ ...owner, repositoryId: null }) };
}
