import type { z } from 'zod';
import type { CreateRepository, PatchRepository } from '@capstan/api';
import { agent } from '@capstan/agents';
import { isUniqueViolation, newId, Repository, TicketSource, type Tx } from '@capstan/database';
import { ENDED_STATES, UserError, type Id } from '@capstan/domain';
import { repositoryChanged, ticketSourceChanged, ticketSourcePoll } from '@capstan/events';
import type { ForgeRepository } from '@capstan/forges';
import type { Vault } from '@capstan/service-kit';
import { audit } from '../access/audit.js';
import type { Caller } from '../http/ask.js';
import { repositoryNotFound, WEBHOOK_SECRET } from './repositories.reader.js';

type Wanted = z.output<typeof CreateRepository>;
type Patch = z.output<typeof PatchRepository>;
type Settings = Omit<Patch, 'version'>;

/** Refuses agent settings that can't work, with the field below `agent`. */
export function assertAgentSettings(settings: Wanted['agent']): void {
  try {
    agent(settings.agent).validate(settings as Parameters<ReturnType<typeof agent>['validate']>[0]);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const below = (field: string) => (field === '' || field === 'settings' ? 'agent' : `agent.${field}`);
    const field = below(error.field ?? '');
    const issues = error.issues.map((issue) => ({ field: below(issue.field), message: issue.message }));
    throw new UserError(error.message, {
      code: error.code,
      status: 422,
      field,
      issues: issues.length > 0 ? issues : [{ field, message: error.message }],
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      cause: error,
    });
  }
}

/** Adds a repository that the forge has shown. @throws UserError 409 `repository_exists`. */
export async function addRepository(
  tx: Tx,
  vault: Vault,
  caller: Caller,
  wanted: Wanted,
  found: ForgeRepository,
): Promise<Id> {
  const { workspaceId } = caller;
  const id = newId();
  await insertRepository(tx, id, workspaceId, wanted, found);
  const owner = { workspaceId, repositoryId: id };
  if (wanted.token !== undefined) await vault.put(tx, { ...owner, name: wanted.credentialSecret }, wanted.token);
  if (wanted.webhookSecret !== undefined) await vault.put(tx, { ...owner, name: WEBHOOK_SECRET }, wanted.webhookSecret);
  if (wanted.watchIssues) {
    const ticketSourceId = newId();
    await tx.insert(TicketSource, {
      id: ticketSourceId,
      workspaceId,
      repositoryId: id,
      kind: 'github-issues',
      project: found.fullName,
      apiUrl: wanted.apiUrl,
      label: wanted.label,
      credentialSecret: wanted.credentialSecret,
    });
    await tx.emit(ticketSourceChanged, { workspaceId, ticketSourceId, version: 1 });
    await tx.emit(ticketSourcePoll, { workspaceId, ticketSourceId });
  }
  await tx.emit(repositoryChanged, { workspaceId, repositoryId: id, version: 1 });
  await audit(tx, caller, 'repository.added', id, { fullName: found.fullName });
  return id;
}

async function insertRepository(
  tx: Tx,
  id: Id,
  workspaceId: Id,
  wanted: Wanted,
  found: ForgeRepository,
): Promise<void> {
  try {
    await tx.insert(Repository, {
      id,
      workspaceId,
      forge: wanted.forge,
      fullName: found.fullName,
      apiUrl: wanted.apiUrl.replace(/\/+$/, ''),
      cloneUrl: found.cloneUrl,
      webUrl: found.cloneUrl.replace(/\.git$/, ''),
      defaultBranch: found.defaultBranch,
      ...columnsOf(wanted),
    });
  } catch (error) {
    if (!isUniqueViolation(error, 'repository_name')) throw error;
    throw new UserError(`${found.fullName} is in this workspace already`, {
      code: 'repository_exists',
      status: 409,
      field: 'fullName',
      cause: error,
    });
  }
}

/** Changes settings. @throws UserError 409 `version_conflict` with the version that stands. */
export async function patchRepository(tx: Tx, caller: Caller, id: Id, patch: Patch): Promise<void> {
  const { workspaceId } = caller;
  const { version, ...settings } = patch;
  const [row] = await tx.query<{ version: number }>(
    'select version from repository where workspace_id = $1 and id = $2 and archived_at is null for update',
    [workspaceId, id],
  );
  if (row === undefined) throw repositoryNotFound(id);
  if (row.version !== version)
    throw new UserError(`The repository was changed meanwhile: it is at version ${row.version}`, {
      code: 'version_conflict',
      status: 409,
      field: 'version',
      remedy: 'Read it again and repeat the change.',
    });
  const columns = columnsOf(settings);
  await tx.update(Repository, {
    set: 'version = version + 1',
    patch: columns as object,
    where: 'id = $1 and version = $2',
    parameters: [id, version],
  });
  if (columns.credentialSecret !== undefined)
    await tx.query('update ticket_source set credential_secret = $2, version = version + 1 where repository_id = $1', [
      id,
      columns.credentialSecret,
    ]);
  await tx.emit(repositoryChanged, { workspaceId, repositoryId: id, version: version + 1 });
  await audit(tx, caller, 'repository.changed', id, { fields: Object.keys(columns) });
}

/** Removes a repository; its history stays. @throws UserError 409 `repository_in_use` while tasks of it are alive. */
export async function archiveRepository(tx: Tx, caller: Caller, id: Id): Promise<void> {
  const { workspaceId } = caller;
  const [row] = await tx.query<{ version: number }>(
    'select version from repository where workspace_id = $1 and id = $2 and archived_at is null for update',
    [workspaceId, id],
  );
  if (row === undefined) throw repositoryNotFound(id);
  const [{ live } = { live: 0 }] = await tx.query<{ live: number }>(
    'select count(*)::int as live from task where repository_id = $1 and state <> all($2)',
    [id, ENDED_STATES],
  );
  if (live > 0)
    throw new UserError(`${live} of its tasks are not over yet`, {
      code: 'repository_in_use',
      status: 409,
      remedy: 'Cancel them or let them end, then remove the repository.',
    });
  await tx.query('update repository set archived_at = now(), version = version + 1 where id = $1', [id]);
  const sources = await tx.query<{ id: Id; version: number }>(
    'update ticket_source set enabled = false, version = version + 1 where repository_id = $1 returning id, version',
    [id],
  );
  for (const { id: ticketSourceId, version } of sources)
    await tx.emit(ticketSourceChanged, { workspaceId, ticketSourceId, version });
  await tx.emit(repositoryChanged, { workspaceId, repositoryId: id, version: row.version + 1 });
  await audit(tx, caller, 'repository.removed', id);
}

/** Asks for a look at a tracker now. @throws UserError 404 `ticket_source_not_found`. */
export async function pollTicketSource(tx: Tx, workspaceId: Id, id: Id): Promise<void> {
  const rows = await tx.query('select 1 from ticket_source where workspace_id = $1 and id = $2 and enabled', [
    workspaceId,
    id,
  ]);
  if (rows.length === 0)
    throw new UserError(`No ticket source ${id} in this workspace`, {
      code: 'ticket_source_not_found',
      status: 404,
      field: 'ticketSourceId',
    });
  await tx.emit(ticketSourcePoll, { workspaceId, ticketSourceId: id });
}

const COLUMNS = [
  'agent',
  'promptTemplate',
  'instructions',
  'maxConcurrentTasks',
  'maxPodInstances',
  'maxAgentsPerPod',
  'image',
  'autoMerge',
  'mergeMethod',
  'mergeWithoutChecks',
  'egressHosts',
  'requiredApprovals',
  'allowWorkflowChanges',
  'allowSubmoduleChanges',
  'allowSubmoduleFetch',
  'credentialSecret',
] as const;

/** The columns that a request names; what it doesn't name keeps its value or the database's default. */
function columnsOf(settings: Settings): Partial<Repository> {
  const limits = settings.limits ?? {};
  const { maxCostUsd, ...whole } = limits;
  const given = [...COLUMNS.map((name) => [name, settings[name]] as const), ...Object.entries(whole)];
  return {
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    ...(maxCostUsd === undefined ? {} : { maxCostUsd: String(maxCostUsd) }),
  } as Partial<Repository>;
}
