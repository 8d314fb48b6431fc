import { Controller, Inject } from '@nestjs/common';
import { routes } from '@capstan/api';
import { UserError, type Id } from '@capstan/domain';
import { Database } from '@capstan/database';
import { CONFIG, Vault } from '@capstan/service-kit';
import type { Request } from 'express';
import type { GatewayConfig } from '../gateway.config.js';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { listRepositories, listTicketSources, readRepository } from './repositories.reader.js';
import {
  addRepository,
  archiveRepository,
  assertAgentSettings,
  patchRepository,
  pollTicketSource,
} from './repositories.writer.js';
import { tryCredential } from './try-credential.js';

@Controller()
export class RepositoriesController {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  @Serves(routes.listRepositories)
  async list({ caller: { workspaceId }, request }: AskOf<typeof routes.listRepositories>) {
    const baseUrl = this.baseUrl(request);
    const items = await this.database.transaction((tx) => listRepositories(tx, workspaceId, baseUrl), { workspaceId });
    return { items };
  }

  @Serves(routes.repository)
  repository({ caller: { workspaceId }, params, request }: AskOf<typeof routes.repository>) {
    return this.read(workspaceId, params.repositoryId, request);
  }

  @Serves(routes.createRepository)
  async create({ caller, body, request }: AskOf<typeof routes.createRepository>) {
    const { workspaceId } = caller;
    assertAgentSettings(body.agent);
    const token = body.token ?? (await this.stored(workspaceId, body.credentialSecret));
    // Before the transaction: no row is held while the forge thinks.
    const uses = { tickets: body.watchIssues, workflows: body.allowWorkflowChanges ?? false };
    const found = await tryCredential({ ...body, apiUrl: body.apiUrl.replace(/\/+$/, ''), token }, uses);
    const id = await this.database.transaction((tx) => addRepository(tx, this.vault, caller, body, found), {
      workspaceId,
    });
    return this.read(workspaceId, id, request);
  }

  @Serves(routes.patchRepository)
  async patch({ caller, params, body, request }: AskOf<typeof routes.patchRepository>) {
    const { workspaceId } = caller;
    if (body.agent !== undefined) assertAgentSettings(body.agent);
    await this.database.transaction((tx) => patchRepository(tx, caller, params.repositoryId, body), { workspaceId });
    return this.read(workspaceId, params.repositoryId, request);
  }

  @Serves(routes.deleteRepository)
  async remove({ caller, params }: AskOf<typeof routes.deleteRepository>): Promise<void> {
    const { workspaceId } = caller;
    await this.database.transaction((tx) => archiveRepository(tx, caller, params.repositoryId), { workspaceId });
  }

  @Serves(routes.listTicketSources)
  async ticketSources({ caller: { workspaceId } }: AskOf<typeof routes.listTicketSources>) {
    return { items: await this.database.transaction((tx) => listTicketSources(tx, workspaceId), { workspaceId }) };
  }

  @Serves(routes.pollTicketSource)
  async poll({ caller: { workspaceId }, params }: AskOf<typeof routes.pollTicketSource>) {
    await this.database.transaction((tx) => pollTicketSource(tx, workspaceId, params.ticketSourceId), { workspaceId });
    return { asked: true };
  }

  private read(workspaceId: Id, id: Id, request: Request) {
    const baseUrl = this.baseUrl(request);
    return this.database.transaction((tx) => readRepository(tx, workspaceId, id, baseUrl), { workspaceId });
  }

  /** Where forges deliver to: as configured, else by the name that the caller used. */
  private baseUrl(request: Request): string {
    return this.config.publicUrl ?? `${request.protocol}://${request.headers.host ?? '127.0.0.1'}`;
  }

  private async stored(workspaceId: Id, name: string): Promise<string> {
    const token = await this.vault.get({ workspaceId, repositoryId: null, name });
    if (token !== null) return token;
    throw new UserError(`token: needed, because the workspace has no secret ${name}`, {
      code: 'credential_missing',
      status: 422,
      field: 'token',
      issues: [{ field: 'token', message: 'needed' }],
      remedy: `Send a token, or set ${name} under Settings → Secrets first.`,
    });
  }
}
