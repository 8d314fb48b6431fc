import { knownCredential } from '@capstan/agents';
import type { Database, ModelOrder, Repository, Run } from '@capstan/database';
import { personOf } from '@capstan/domain';
import type { Vault } from '@capstan/service-kit';
import type { DriveWorld } from './drive-run.snapshot.js';

/** Stands for a key that egress has in another place: the agent gets its run's token for it anyway. */
const BY_ORDER = 'by the fail-over order';

interface SecretsOfRun {
  readonly run: Pick<Run, 'workspaceId' | 'repositoryId' | 'agent'>;
  readonly task: Pick<DriveWorld['task'], 'createdBy'>;
}

/**
 * Reads a run's secrets by name, as egress will have them: those of the person who made the task first, but where the
 * repository has an endpoint of its own. A key that isn't set counts as set where the workspace's fail-over order for its
 * provider has something that is. Null: not set.
 */
export function runSecrets(
  { database, vault }: { readonly database: Database; readonly vault: Vault },
  { run: { workspaceId, repositoryId, agent }, task }: SecretsOfRun,
): (name: string) => Promise<string | null> {
  const ordinary = agent.baseUrl === undefined;
  const owner = { workspaceId, repositoryId, userId: ordinary ? personOf(task.createdBy) : null };
  return async (name) => {
    const value = await vault.get({ ...owner, name });
    const known = knownCredential(name);
    if (value !== null || !ordinary || known?.name !== name) return value;
    const [order] = await database.query<Pick<ModelOrder, 'entries'>>(
      'select entries from model_order where workspace_id = $1 and protocol = $2',
      [workspaceId, known.provider],
    );
    const names = (order?.entries ?? []).map(({ secret }) => secret);
    return names.length > 0 && (await vault.getAll({ ...owner, userId: null }, names)).size > 0 ? BY_ORDER : null;
  };
}

/** Egress fetches with it; a run that could never fetch ends before it starts. Throws UserError `credential_missing`. */
export async function requireForgeCredential(
  vault: Vault,
  {
    workspaceId,
    id: repositoryId,
    credentialSecret: name,
  }: Pick<Repository, 'workspaceId' | 'id' | 'credentialSecret'>,
): Promise<void> {
  await vault.require({ workspaceId, repositoryId, name });
}
