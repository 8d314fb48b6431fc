import { Controller } from '@nestjs/common';
import { routes } from '@capstan/api';
import { UserError, type ForgeCredential, type Id } from '@capstan/domain';
import { Database, type Repository } from '@capstan/database';
import { forge, type ForgeUses } from '@capstan/forges';
import { forgeCredential, Vault } from '@capstan/service-kit';
import { appAccessOf } from '../forge-apps/try-app.js';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { repositoryNotFound } from './repositories.reader.js';
import { accessOf, type Trial } from './try-credential.js';

type Facts = Pick<Repository, 'forge' | 'fullName' | 'apiUrl' | 'credentialSecret' | 'allowWorkflowChanges'> & {
  readonly watchesIssues: boolean;
};

/** What a token needs at the forge, and what a given one has of it. Nothing is stored. */
@Controller()
export class ForgeAccessController {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
  ) {}

  @Serves(routes.tokenGuide)
  guide({ query }: AskOf<typeof routes.tokenGuide>) {
    const { apiUrl, fullName = null } = query;
    const uses = { tickets: query.watchIssues === 'true', workflows: query.allowWorkflowChanges === 'true' };
    const { needs, ...pages } = forge(query.forge).tokenGuide({ apiUrl, fullName }, uses);
    return Promise.resolve({ ...pages, needs: [...needs] });
  }

  @Serves(routes.checkAccess)
  async check({ caller: { workspaceId }, body }: AskOf<typeof routes.checkAccess>) {
    const wish = { ...body, apiUrl: body.apiUrl.replace(/\/+$/, '') };
    const uses = { tickets: body.watchIssues, workflows: body.allowWorkflowChanges };
    const { token } = body;
    if (token !== undefined) return accessOf({ ...wish, token }, uses);
    return this.accessAs(await this.stored({ workspaceId, repositoryId: null }, body.credentialSecret), wish, uses);
  }

  @Serves(routes.checkRepositoryAccess)
  async checkStored({ caller: { workspaceId }, params }: AskOf<typeof routes.checkRepositoryAccess>) {
    const { repositoryId } = params;
    const [row] = await this.database.transaction(
      (tx) =>
        tx.query<Facts>(
          `select forge, full_name, api_url, credential_secret, allow_workflow_changes,
              exists (select from ticket_source s where s.repository_id = r.id and s.enabled) as watches_issues
             from repository r where workspace_id = $1 and id = $2 and archived_at is null`,
          [workspaceId, repositoryId],
        ),
      { workspaceId },
    );
    if (row === undefined) throw repositoryNotFound(repositoryId);
    const credential = await this.stored({ workspaceId, repositoryId }, row.credentialSecret);
    return this.accessAs(credential, row, { tickets: row.watchesIssues, workflows: row.allowWorkflowChanges });
  }

  private accessAs(credential: ForgeCredential, wish: Omit<Trial, 'token'>, uses: ForgeUses) {
    if (credential.kind === 'app') return appAccessOf(credential, wish);
    return accessOf({ ...wish, token: credential.token }, uses);
  }

  private async stored(
    owner: { readonly workspaceId: Id; readonly repositoryId: Id | null },
    name: string,
  ): Promise<ForgeCredential> {
    if ((await this.vault.get({ ...owner, name })) !== null)
      return forgeCredential({ database: this.database, vault: this.vault }, { ...owner, name });
    throw new UserError(`token: needed, because there is no secret ${name}`, {
      code: 'credential_missing',
      status: 422,
      field: 'token',
      issues: [{ field: 'token', message: 'needed' }],
      remedy: `Send a token, or set ${name} under Settings → Secrets first.`,
    });
  }
}
