import { Controller, Inject } from '@nestjs/common';
import { routes } from '@capstan/api';
import { UserError, type ForgeCredential, type Id } from '@capstan/domain';
import { Database } from '@capstan/database';
import { CONFIG, forgeCredential, Vault, type SecretOwner } from '@capstan/service-kit';
import type { Request } from 'express';
import type { GatewayConfig } from '../gateway.config.js';
import { tryApp } from '../forge-apps/try-app.js';
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
    const wish = { ...body, apiUrl: body.apiUrl.replace(/\/+$/, '') };
    const credential = await this.credential(workspaceId, wish);
    const uses = { tickets: body.watchIssues, workflows: body.allowWorkflowChanges ?? false };
    // Before the transaction: no row is held while the forge thinks.
    const found =
      credential.kind === 'app'
        ? await tryApp(credential, wish)
        : await tryCredential({ ...wish, token: credential.token }, uses);
    const id = await this.database.transaction((tx) => addRepository(tx, this.vault, caller, body, found), {
      workspaceId,
    });
    return this.read(workspaceId, id, request);
  }

  @Serves(routes.patchRepository)
  async patch({ caller, params, body, request }: AskOf<typeof routes.patchRepository>) {
    const { workspaceId } = caller;
    if (body.agent !== undefined) assertAgentSettings(body.agent);
    if (body.credentialSecret !== undefined) {
      const wish = await this.read(workspaceId, params.repositoryId, request);
      const owner = { workspaceId, repositoryId: null, name: body.credentialSecret };
      const credential = await this.known(owner);
      if (credential?.kind === 'app') await tryApp(credential, wish);
    }
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

  /** What was sent, else what the workspace has under that name. */
  private async credential(
    workspaceId: Id,
    { token, credentialSecret: name }: { readonly token?: string | undefined; readonly credentialSecret: string },
  ): Promise<ForgeCredential> {
    const known = await this.known({ workspaceId, repositoryId: null, name });
    if (token === undefined && known !== null) return known;
    if (token !== undefined && known?.kind === 'app')
      throw new UserError(`credentialSecret: ${name} holds the key of the app ${known.slug}`, {
        code: 'invalid_request',
        status: 422,
        field: 'credentialSecret',
        issues: [{ field: 'credentialSecret', message: 'holds the key of an app' }],
        remedy: 'Leave the token out to connect as the app, or give the token another name.',
      });
    if (token !== undefined) return { kind: 'token', token };
    throw new UserError(`token: needed, because the workspace has no secret ${name}`, {
      code: 'credential_missing',
      status: 422,
      field: 'token',
      issues: [{ field: 'token', message: 'needed' }],
      remedy: `Send a token, or set ${name} under Settings → Secrets first.`,
    });
  }

  private async known(owner: SecretOwner): Promise<ForgeCredential | null> {
    try {
      return await forgeCredential({ database: this.database, vault: this.vault }, owner);
    } catch (error) {
      if (error instanceof UserError && error.code === 'credential_missing') return null;
      throw error;
    }
  }
}
