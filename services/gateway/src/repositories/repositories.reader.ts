import type { z } from 'zod';
import type { Repository, TicketSource } from '@capstan/api';
import { UserError, type Id } from '@capstan/domain';
import type { Repository as RepositoryRow, TicketSource as TicketSourceRow, Tx } from '@capstan/database';
import { instant } from '../http/time.js';

type Answer = z.infer<typeof Repository>;

/** Name of the secret that a repository's deliveries are signed with. */
export const WEBHOOK_SECRET = 'WEBHOOK_SECRET';

type Row = RepositoryRow & {
  readonly webhookSecretSet: boolean;
  readonly forgeApp: Answer['forgeApp'];
  readonly lastDeliveryAt: Date | null;
  readonly activeTasks: number;
  readonly queuedTasks: number;
  readonly pods: number;
};

const SELECT = `
  select r.*,
    (exists (select from secret s where s.repository_id = r.id and s.name = '${WEBHOOK_SECRET}')
      or exists (select from forge_app a where a.workspace_id = r.workspace_id and a.removed_at is null
                   and a.credential_secret = r.credential_secret and a.webhook_secret is not null)) as webhook_secret_set,
    (select jsonb_build_object('id', a.id, 'slug', a.slug) from forge_app a where a.workspace_id = r.workspace_id
        and a.credential_secret = r.credential_secret and a.removed_at is null) as forge_app,
    (select max(d.received_at) from delivery d where d.repository_id = r.id) as last_delivery_at,
    (select count(*)::int from task t where t.repository_id = r.id and t.state in ('provisioning','running')) as active_tasks,
    (select count(*)::int from task t where t.repository_id = r.id and t.workspace_id = r.workspace_id
        and t.state in ('waiting','queued')) as queued_tasks,
    (select count(*)::int from pod p where p.repository_id = r.id and p.deleted_at is null) as pods
    from repository r`;

/** Repositories by name. @param baseUrl where the gateway is reached, for the address that a forge should deliver to. */
export async function listRepositories(tx: Tx, workspaceId: Id, baseUrl: string): Promise<Answer[]> {
  const rows = await tx.query<Row>(
    `${SELECT} where r.workspace_id = $1 and r.archived_at is null order by lower(r.full_name), r.id`,
    [workspaceId],
  );
  return rows.map((row) => answerOf(row, baseUrl));
}

/** @throws UserError 404 `repository_not_found`. */
export async function readRepository(tx: Tx, workspaceId: Id, id: Id, baseUrl: string): Promise<Answer> {
  const [row] = await tx.query<Row>(`${SELECT} where r.workspace_id = $1 and r.id = $2 and r.archived_at is null`, [
    workspaceId,
    id,
  ]);
  if (row === undefined) throw repositoryNotFound(id);
  return answerOf(row, baseUrl);
}

export function repositoryNotFound(id: Id): UserError {
  return new UserError(`No repository ${id} in this workspace`, {
    code: 'repository_not_found',
    status: 404,
    field: 'repositoryId',
  });
}

function answerOf(row: Row, baseUrl: string): Answer {
  return {
    id: row.id,
    forge: row.forge as Answer['forge'],
    fullName: row.fullName,
    apiUrl: row.apiUrl,
    cloneUrl: row.cloneUrl,
    webUrl: row.webUrl,
    defaultBranch: row.defaultBranch,
    agent: row.agent as Answer['agent'],
    promptTemplate: row.promptTemplate,
    instructions: row.instructions,
    maxConcurrentTasks: row.maxConcurrentTasks,
    maxPodInstances: row.maxPodInstances,
    maxAgentsPerPod: row.maxAgentsPerPod,
    image: row.image,
    autoMerge: row.autoMerge,
    mergeMethod: row.mergeMethod,
    mergeWithoutChecks: row.mergeWithoutChecks,
    egressHosts: [...row.egressHosts],
    requiredApprovals: row.requiredApprovals,
    allowWorkflowChanges: row.allowWorkflowChanges,
    allowSubmoduleChanges: row.allowSubmoduleChanges,
    allowSubmoduleFetch: row.allowSubmoduleFetch,
    credentialSecret: row.credentialSecret,
    limits: {
      maxRunMinutes: row.maxRunMinutes,
      maxCostUsd: Number(row.maxCostUsd),
      maxTurns: row.maxTurns,
      stallMinutes: row.stallMinutes,
    },
    forgeApp: row.forgeApp,
    webhookUrl: `${baseUrl}/hooks/${row.forge}/${row.id}`,
    webhookSecretSet: row.webhookSecretSet,
    lastDeliveryAt: instant(row.lastDeliveryAt),
    activeTasks: row.activeTasks,
    queuedTasks: row.queuedTasks,
    pods: row.pods,
    createdAt: instant(row.createdAt),
    version: row.version,
  };
}

export async function listTicketSources(tx: Tx, workspaceId: Id): Promise<z.infer<typeof TicketSource>[]> {
  const rows = await tx.query<TicketSourceRow & { readonly importedTickets: number }>(
    `select s.*, (select count(*)::int from ticket t where t.source_id = s.id) as imported_tickets
       from ticket_source s join repository r on r.id = s.repository_id
      where s.workspace_id = $1 and r.archived_at is null order by lower(s.project), s.label, s.id`,
    [workspaceId],
  );
  return rows.map((row) => ({
    id: row.id,
    repositoryId: row.repositoryId,
    kind: row.kind as 'github-issues',
    project: row.project,
    label: row.label,
    enabled: row.enabled,
    lastPolledAt: instant(row.lastPolledAt),
    nextPollAt: row.enabled ? instant(row.nextPollAt) : null,
    lastError: row.lastError,
    importedTickets: row.importedTickets,
    version: row.version,
  }));
}
