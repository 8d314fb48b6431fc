import { UserError, type Id } from '@capstan/domain';
import type { Repository } from '@capstan/database';
import { type Database } from '@capstan/database';
import { forge as forgeNamed, type Forge, type ForgeConnection } from '@capstan/forges';
import type { Vault } from '@capstan/service-kit';

/** A repository and the way to its forge. Holds the token: never logged, never stored. */
export interface RepositoryAccess {
  readonly repository: Repository;
  readonly forge: Forge;
  readonly connection: ForgeConnection;
}

/** Opens the way to a repository's forge. */
export class ForgeAccess {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
  ) {}

  /** Throws UserError `repository_archived` for an archived repository and `credential_missing` without its token. */
  async of(repositoryId: Id): Promise<RepositoryAccess> {
    const [repository] = await this.database.query<Repository>('select * from repository where id = $1', [
      repositoryId,
    ]);
    if (repository === undefined || repository.archivedAt !== null)
      throw new UserError('The repository is archived', {
        code: 'repository_archived',
      });
    const token = await this.vault.require({
      workspaceId: repository.workspaceId,
      repositoryId: repository.id,
      name: repository.credentialSecret,
    });
    const { fullName, apiUrl, cloneUrl } = repository;
    return { repository, forge: forgeNamed(repository.forge), connection: { fullName, apiUrl, cloneUrl, token } };
  }
}
