import { UserError, type ForgePurpose, type Id } from '@capstan/domain';
import type { Repository } from '@capstan/database';
import type { Database } from '@capstan/database';
import { forge as forgeNamed, type Forge, type ForgeConnection } from '@capstan/forges';
import { forgeCredential, type Vault } from '@capstan/service-kit';

/** A repository and the way to its forge. Holds the token: never logged, never stored. */
export interface RepositoryAccess {
  readonly repository: Repository;
  readonly forge: Forge;
  readonly connection: ForgeConnection;
  /** The app that Capstan is there; null where it acts as the person whose token it has. */
  readonly app: string | null;
}

/** Opens the way to a repository's forge. */
export class ForgeAccess {
  constructor(
    readonly database: Database,
    readonly vault: Vault,
  ) {}

  /**
   * The way for one purpose: an app's token can do that and no more. Throws UserError `repository_archived` for an
   * archived repository, `credential_missing` without its credential, and what the forge says of an app (`Forge.token`).
   */
  async of(repositoryId: Id, purpose: ForgePurpose): Promise<RepositoryAccess> {
    const [row] = await this.database.query<Repository & { readonly ownAppIds: readonly number[] }>(
      `select *, array(select app_id from forge_app a
                        where a.workspace_id = repository.workspace_id and a.api_url = repository.api_url) as own_app_ids
         from repository where id = $1`,
      [repositoryId],
    );
    if (row === undefined || row.archivedAt !== null)
      throw new UserError('The repository is archived', {
        code: 'repository_archived',
      });
    const { ownAppIds, ...repository } = row;
    const { workspaceId, credentialSecret: name, fullName, apiUrl, cloneUrl } = repository;
    const credential = await forgeCredential(this, { workspaceId, repositoryId, name });
    const forge = forgeNamed(repository.forge);
    // What changes workflows is merged and pushed by a right of its own, which an app may have been given.
    const wanted = purpose === 'publish' && repository.allowWorkflowChanges ? 'publish_workflows' : purpose;
    const token = await forge.token({ fullName, apiUrl, credential }, wanted);
    const app = credential.kind === 'app' ? credential.slug : null;
    return { repository, forge, app, connection: { fullName, apiUrl, cloneUrl, token, ownAppIds } };
  }
}
