import { forge } from '@capstan/forges';
import type { Database } from '@capstan/database';
import { forgeCredential, type Vault } from '@capstan/service-kit';
import type { LiveRun } from '../admit/live-runs.js';
import type { OwnRepository } from './git-ask.decide.js';

/** The repository of a run, and what its forge reads it for. */
export interface FetchedRepository extends OwnRepository {
  /**
   * Value of an `Authorization` header at the forge, good for reading. Asked for late, when a request is to be made.
   * Throws UserError `credential_missing`, and what the forge says of an app.
   */
  authorization(): Promise<string>;
}

interface Row extends OwnRepository {
  readonly forge: string;
  readonly fullName: string;
  readonly apiUrl: string;
  readonly credentialSecret: string;
}

export async function readFetched(
  { database, vault }: { readonly database: Database; readonly vault: Vault },
  { workspaceId, repositoryId }: Pick<LiveRun, 'workspaceId' | 'repositoryId'>,
): Promise<FetchedRepository> {
  const [row] = await database.query<Row>(
    `select forge, full_name, api_url, clone_url, credential_secret, allow_submodule_fetch
       from repository where workspace_id = $1 and id = $2`,
    [workspaceId, repositoryId],
  );
  const { fullName, apiUrl, cloneUrl, allowSubmoduleFetch, credentialSecret } = row!; // its runs refer to it
  return {
    cloneUrl,
    allowSubmoduleFetch,
    authorization: async () => {
      const owner = { workspaceId, repositoryId, name: credentialSecret };
      const { token, gitAuthorization } = forge(row!.forge);
      const fetching = await token(
        { fullName, apiUrl, credential: await forgeCredential({ database, vault }, owner) },
        'fetch',
      );
      return gitAuthorization({ fullName, apiUrl, cloneUrl, token: fetching });
    },
  };
}
