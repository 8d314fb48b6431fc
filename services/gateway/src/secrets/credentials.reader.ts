import { AGENT_CHOICES } from '@capstan/agents';
import type { Credential } from '@capstan/api';
import type { CredentialCheck, Database, ModelOrder, Repository, Secret, Tx } from '@capstan/database';
import type { Id } from '@capstan/domain';
import type { Vault } from '@capstan/service-kit';
import { LOOK_FRESH_MINUTES } from '../agents/agents.reader.js';
import { credentialStatuses, ownStatuses, type CredentialFacts } from './credential-status.js';

/** Whose credentials are wanted. */
export interface Viewer {
  readonly workspaceId: Id;
  readonly userId: Id;
  /** Whether they may see the workspace's, beside their own. */
  readonly manages: boolean;
}

/** The credentials that somebody may see, with what their providers said last: their own come last. */
export async function readCredentials(
  database: Database,
  vault: Vault,
  { workspaceId, userId, manages }: Viewer,
): Promise<readonly Credential[]> {
  // Before the transaction: opening a secret takes a connection of its own.
  const choices = await readChoices(database, vault, workspaceId);
  const read = await database.transaction((tx) => readFacts(tx, workspaceId, userId), { workspaceId });
  const facts = { ...read, choices };
  return [...(manages ? credentialStatuses(facts) : []), ...ownStatuses(facts)];
}

async function readFacts(tx: Tx, workspaceId: Id, userId: Id): Promise<Omit<CredentialFacts, 'choices'>> {
  const of = [workspaceId];
  const secrets = await tx.query<CredentialFacts['secrets'][number] & { readonly now: Date }>(
    `select s.id, s.name, s.repository_id, s.user_id, s.set_at, s.verify_asked_at, s.version, clock_timestamp() as now
       from secret s left join repository r on r.id = s.repository_id
      where s.workspace_id = $1 and r.archived_at is null and (s.user_id is null or s.user_id = $2)`,
    [workspaceId, userId],
  );
  const repositories = await tx.query<Repository>(
    'select * from repository where workspace_id = $1 and archived_at is null order by full_name',
    of,
  );
  const checks = await tx.query<CredentialCheck>(
    'select * from credential_check where workspace_id = $1 order by subject, target',
    of,
  );
  const orders = await tx.query<ModelOrder>('select protocol, entries from model_order where workspace_id = $1', of);
  const logIns = await tx.query<CredentialFacts['logIns'][number]>(
    `select agent, log_in->'secrets' as secrets from agent_program
      where log_in->>'state' = 'usable' and looked_at > clock_timestamp() - ${LOOK_FRESH_MINUTES} * interval '1 minute'`,
  );
  return { now: secrets[0]?.now ?? new Date(0), secrets, repositories, checks, orders, logIns };
}

/** Choices are no keys: what they say decides which keys are needed. */
async function readChoices(database: Database, vault: Vault, workspaceId: Id): Promise<ReadonlyMap<Id, string>> {
  const set = await database.query<Pick<Secret, 'id' | 'name' | 'repositoryId'>>(
    'select id, name, repository_id from secret where workspace_id = $1 and name = any($2) and user_id is null',
    [workspaceId, AGENT_CHOICES],
  );
  const found = new Map<Id, string>();
  for (const { id, name, repositoryId } of set) {
    const value = await vault.get({ workspaceId, repositoryId, name });
    if (value !== null) found.set(id, value);
  }
  return found;
}
