import { Controller, Inject, Res } from '@nestjs/common';
import { routes } from '@capstan/api';
import { newId, Database, type Tx } from '@capstan/database';
import { UserError, type Id } from '@capstan/domain';
import { forge } from '@capstan/forges';
import { CONFIG, forgeCredential, Vault } from '@capstan/service-kit';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { GatewayConfig } from '../gateway.config.js';
import type { Ask, AskOf } from '../http/ask.js';
import { Serves, ServesPage } from '../http/serves.js';
import { listForgeApps, readForgeApp } from './forge-apps.reader.js';
import { addForgeApp, removeForgeApp } from './forge-apps.writer.js';
import { isPublicAddress, manifestPage } from './manifest-page.js';
import { readState, stateOf } from './manifest-state.js';

const PAGE = '/api/forge-apps/manifest';
const PageQuery = z.strictObject({ state: z.string().max(4_000) });

/** Apps at forges: from the form that registers one to where it is installed. No secret of one is ever answered. */
@Controller()
export class ForgeAppsController {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  @Serves(routes.listForgeApps)
  async list({ caller: { workspaceId } }: AskOf<typeof routes.listForgeApps>) {
    return { items: await this.bound(workspaceId, (tx) => listForgeApps(tx, workspaceId)) };
  }

  @Serves(routes.beginForgeApp)
  begin({ caller: { workspaceId, userId }, body }: AskOf<typeof routes.beginForgeApp>) {
    const apiUrl = body.apiUrl.replace(/\/+$/, '');
    const begun = { id: newId(), workspaceId, userId, forge: body.forge, apiUrl, organization: body.organization };
    const state = stateOf(this.config.encryptionKey, begun, Date.now());
    return Promise.resolve({ page: `${PAGE}?${new URLSearchParams({ state }).toString()}` });
  }

  /** Takes the browser to the forge. */
  @ServesPage(PAGE, 'repository.manage', PageQuery)
  page({ caller, query, request }: Ask<undefined, z.output<typeof PageQuery>>, @Res() response: Response): void {
    const { state } = query;
    const manifest = readState(this.config.encryptionKey, state, caller, Date.now());
    const baseUrl = this.baseUrl(request);
    const form = forge(manifest.forge).apps.form({
      apiUrl: manifest.apiUrl,
      name: `Capstan ${manifest.organization ?? ''} ${manifest.id.slice(-4)}`.replace(/\s+/g, ' '),
      homeUrl: baseUrl,
      returnUrl: `${baseUrl}/settings/github-app`,
      hookUrl: isPublicAddress(baseUrl) ? `${baseUrl}/hooks/${manifest.forge}-app/${manifest.id}` : null,
      organization: manifest.organization,
      state,
    });
    const { html, policy } = manifestPage(form);
    response.setHeader('content-security-policy', policy);
    response.type('html').send(html);
  }

  @Serves(routes.createForgeApp)
  async create({ caller, body }: AskOf<typeof routes.createForgeApp>) {
    const { workspaceId } = caller;
    const manifest = readState(this.config.encryptionKey, body.state, caller, Date.now());
    // Before the transaction: no row is held while the forge thinks.
    const registered = await forge(manifest.forge).apps.register(manifest.apiUrl, body.code);
    return this.bound(workspaceId, async (tx) => {
      await addForgeApp(tx, this.vault, caller, manifest, registered);
      return readForgeApp(tx, workspaceId, manifest.id);
    });
  }

  @Serves(routes.forgeAppInstallations)
  async installations({ caller: { workspaceId }, params }: AskOf<typeof routes.forgeAppInstallations>) {
    const app = await this.bound(workspaceId, (tx) => readForgeApp(tx, workspaceId, params.forgeAppId));
    const owner = { workspaceId, repositoryId: null, name: app.credentialSecret };
    const credential = await forgeCredential(this.parts, owner);
    if (credential.kind !== 'app')
      throw new UserError('The app was removed', { code: 'forge_app_not_found', status: 404 });
    const found = await forge(app.forge).apps.installations(credential);
    return { items: found.map((each) => ({ ...each, missing: [...each.missing] })) };
  }

  @Serves(routes.deleteForgeApp)
  async remove({ caller, params }: AskOf<typeof routes.deleteForgeApp>): Promise<void> {
    await this.bound(caller.workspaceId, (tx) => removeForgeApp(tx, caller, params.forgeAppId));
  }

  private get parts() {
    return { database: this.database, vault: this.vault };
  }

  private bound<T>(workspaceId: Id, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.database.transaction(work, { workspaceId });
  }

  private baseUrl(request: Request): string {
    return this.config.publicUrl ?? `${request.protocol}://${request.headers.host ?? '127.0.0.1'}`;
  }
}
