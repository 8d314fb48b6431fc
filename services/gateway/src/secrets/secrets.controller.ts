import { Controller } from '@nestjs/common';
import type { z } from 'zod';
import { AGENT_CHOICES, AGENT_NAMES, agent, knownCredential } from '@capstan/agents';
import { routes, type Secret } from '@capstan/api';
import { UserError, type Id } from '@capstan/domain';
import { Database, type Tx } from '@capstan/database';
import { secretChanged } from '@capstan/events';
import { Vault } from '@capstan/service-kit';
import { audit } from '../access/audit.js';
import type { AskOf, Caller } from '../http/ask.js';
import { Serves } from '../http/serves.js';

type Answer = z.infer<typeof Secret>;

const PERSONAL_NAMES = [...new Set(AGENT_NAMES.flatMap((name) => agent(name).credentials)), ...AGENT_CHOICES];

/** Secrets go in and never come out: an answer holds a name and when it was set. */
@Controller()
export class SecretsController {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
  ) {}

  @Serves(routes.listSecrets)
  async list({ caller: { workspaceId } }: AskOf<typeof routes.listSecrets>) {
    const rows = await this.database.transaction(
      (tx) =>
        tx.query<Omit<Answer, 'setAt'> & { setAt: Date }>(
          `select s.name, s.repository_id, s.set_at, s.version
             from secret s left join repository r on r.id = s.repository_id
            where s.workspace_id = $1 and s.user_id is null and r.archived_at is null order by s.name, s.repository_id nulls first`,
          [workspaceId],
        ),
      { workspaceId },
    );
    return { items: rows.map((row) => ({ ...row, setAt: row.setAt.toISOString() })) };
  }

  @Serves(routes.putSecret)
  put({ caller, params, body }: AskOf<typeof routes.putSecret>): Promise<Answer> {
    const { workspaceId } = caller;
    const { name } = params;
    const repositoryId = body.repositoryId ?? null;
    return this.database.transaction(
      async (tx) => {
        if (repositoryId !== null) await assertRepository(tx, workspaceId, repositoryId);
        const { id, setAt, version } = await this.vault.put(tx, { workspaceId, repositoryId, name }, body.value);
        await audit(tx, caller, 'secret.set', id, { name, repositoryId });
        return { name, repositoryId, setAt: setAt.toISOString(), version };
      },
      { workspaceId },
    );
  }

  @Serves(routes.deleteSecret)
  remove({ caller, params, query }: AskOf<typeof routes.deleteSecret>): Promise<void> {
    return this.forget(caller, params.name, { repositoryId: query.repositoryId ?? null, userId: null });
  }

  @Serves(routes.putOwnSecret)
  putOwn({ caller, params: { name }, body }: AskOf<typeof routes.putOwnSecret>) {
    const { workspaceId, userId } = caller;
    assertPersonal(name);
    return this.database.transaction(
      async (tx) => {
        const owner = { workspaceId, repositoryId: null, userId, name };
        const { id, setAt, version } = await this.vault.put(tx, owner, body.value);
        await audit(tx, caller, 'secret.set', id, { name, userId });
        return { name, setAt: setAt.toISOString(), version };
      },
      { workspaceId },
    );
  }

  @Serves(routes.deleteOwnSecret)
  removeOwn({ caller, params }: AskOf<typeof routes.deleteOwnSecret>): Promise<void> {
    return this.forget(caller, params.name, { repositoryId: null, userId: caller.userId });
  }

  private async forget(
    caller: Caller,
    name: string,
    { repositoryId, userId }: { readonly repositoryId: Id | null; readonly userId: Id | null },
  ): Promise<void> {
    const { workspaceId } = caller;
    await this.database.transaction(
      async (tx) => {
        const [gone] = await tx.query<{ id: Id; version: number }>(
          `delete from secret where workspace_id = $1 and name = $2 and repository_id is not distinct from $3::uuid
              and user_id is not distinct from $4::uuid
            returning id, version`,
          [workspaceId, name, repositoryId, userId],
        );
        if (gone === undefined)
          throw new UserError(`No secret ${name} is set there`, {
            code: 'secret_not_found',
            status: 404,
            field: 'name',
          });
        await tx.emit(secretChanged, { workspaceId, secretId: gone.id, version: gone.version + 1 });
        await audit(tx, caller, 'secret.forgotten', gone.id, { name, ...(userId !== null && { userId }) });
      },
      { workspaceId },
    );
  }
}

/** A person brings what agents show to their providers: what Capstan itself needs at a forge is the workspace's. */
function assertPersonal(name: string): void {
  if (knownCredential(name) !== undefined || AGENT_CHOICES.includes(name)) return;
  throw new UserError(`${name} can't be one person's own: no agent takes it to a provider`, {
    code: 'secret_not_personal',
    status: 422,
    field: 'name',
    remedy: `Own secrets are ${PERSONAL_NAMES.join(', ')}. Everything else is the workspace's: an admin sets it under Settings → Secrets.`,
  });
}

async function assertRepository(tx: Tx, workspaceId: Id, id: Id): Promise<void> {
  const rows = await tx.query('select 1 from repository where workspace_id = $1 and id = $2 and archived_at is null', [
    workspaceId,
    id,
  ]);
  if (rows.length === 0)
    throw new UserError(`No repository ${id} in this workspace`, {
      code: 'repository_not_found',
      status: 404,
      field: 'repositoryId',
    });
}
