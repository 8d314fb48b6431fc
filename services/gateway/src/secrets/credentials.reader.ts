import { AGENT_CHOICES } from '@capstan/agents';
import type { Credential } from '@capstan/api';
import type { CredentialCheck, Database, Repository, Secret, Tx } from '@capstan/database';
import type { Id } from '@capstan/domain';
import type { Vault } from '@capstan/service-kit';
import { credentialStatuses, type CredentialFacts } from './credential-status.js';

/** The credentials of a workspace, with what their providers said last. */
export async function readCredentials(
  database: Database,
  vault: Vault,
  workspaceId: Id,
): Promise<readonly Credential[]> {
  // Before the transaction: opening a secret takes a connection of its own.
  const choices = await readChoices(database, vault, workspaceId);
  const facts = await database.transaction((tx) => readFacts(tx, workspaceId), { workspaceId });
  return credentialStatuses({ ...facts, choices });
}

async function readFacts(tx: Tx, workspaceId: Id): Promise<Omit<CredentialFacts, 'choices'>> {
  const of = [workspaceId];
  const secrets = await tx.query<CredentialFacts['secrets'][number] & { readonly now: Date }>(
    `select s.id, s.name, s.repository_id, s.set_at, s.verify_asked_at, s.version, clock_timestamp() as now
       from secret s left join repository r on r.id = s.repository_id
      where s.workspace_id = $1 and r.archived_at is null`,
    of,
  );
  const repositories = await tx.query<Repository>(
    'select * from repository where workspace_id = $1 and archived_at is null order by full_name',
    of,
  );
  const checks = await tx.query<CredentialCheck>(
    'select * from credential_check where workspace_id = $1 order by subject, target',
    of,
  );
  return { now: secrets[0]?.now ?? new Date(0), secrets, repositories, checks };
}

/** Choices are no keys: what they say decides which keys are needed. */
async function readChoices(database: Database, vault: Vault, workspaceId: Id): Promise<ReadonlyMap<Id, string>> {
  const set = await database.query<Pick<Secret, 'id' | 'name' | 'repositoryId'>>(
    'select id, name, repository_id from secret where workspace_id = $1 and name = any($2)',
    [workspaceId, AGENT_CHOICES],
  );
  const found = new Map<Id, string>();
  for (const { id, name, repositoryId } of set) {
    const value = await vault.get({ workspaceId, repositoryId, name });
    if (value !== null) found.set(id, value);
  }
  return found;
}
