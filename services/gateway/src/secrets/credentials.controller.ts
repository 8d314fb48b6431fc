import { Controller, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ROLE_PERMISSIONS, routes, type Credential } from '@capstan/api';
import { Database, type Tx } from '@capstan/database';
import { UserError, type Id } from '@capstan/domain';
import { credentialCheck, credentialChecked, type PayloadOf } from '@capstan/events';
import { Vault } from '@capstan/service-kit';
import { AnswerWaiter } from '../http/answer-waiter.js';
import { Reply, type AskOf, type Caller } from '../http/ask.js';
import { TooOften } from '../http/problem.js';
import { Serves } from '../http/serves.js';
import { EventTail } from '../live/event-tail.js';
import { VERIFY_EVERY_MS } from './credential-status.js';
import { readCredentials, type Viewer } from './credentials.reader.js';

interface Which {
  readonly workspaceId: Id;
  readonly repositoryId: Id | null;
  /** Whose own it is; null: the workspace's. */
  readonly userId: Id | null;
  readonly name: string;
}

/** What providers say of the credentials: egress asks them, here it is read and asked for. */
@Controller()
export class CredentialsController implements OnModuleInit, OnModuleDestroy {
  private readonly waiter = new AnswerWaiter();
  private forget: (() => void) | undefined;

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly events: EventTail,
  ) {}

  onModuleInit(): void {
    this.forget = this.events.on((event, payload) => {
      if (event.name === credentialChecked.name)
        this.waiter.wake((payload as PayloadOf<typeof credentialChecked>).secretId);
    });
  }

  onModuleDestroy(): void {
    this.forget?.();
    this.waiter.wakeAll();
  }

  @Serves(routes.authStatus)
  async status({ caller }: AskOf<typeof routes.authStatus>) {
    return { items: [...(await readCredentials(this.database, this.vault, viewer(caller)))] };
  }

  @Serves(routes.verifySecret)
  verify({ caller, params, query }: AskOf<typeof routes.verifySecret>): Promise<Reply<Credential>> {
    const { workspaceId } = caller;
    const repositoryId = query.repositoryId ?? null;
    return this.verifyOne(caller, { workspaceId, repositoryId, userId: null, name: params.name });
  }

  @Serves(routes.verifyOwnSecret)
  verifyOwn({ caller, params }: AskOf<typeof routes.verifyOwnSecret>): Promise<Reply<Credential>> {
    const { workspaceId, userId } = caller;
    return this.verifyOne(caller, { workspaceId, repositoryId: null, userId, name: params.name });
  }

  private async verifyOne(caller: Caller, which: Which): Promise<Reply<Credential>> {
    const { workspaceId } = which;
    await this.read(caller, which);
    const id = await this.database.transaction((tx) => askForCheck(tx, which), { workspaceId });
    const credential = await this.waiter.wait(
      id,
      () => this.read(caller, which),
      ({ checking }) => !checking,
    );
    return new Reply(credential, { status: credential.checking ? 202 : 200 });
  }

  /** One credential that is set and has a provider. @throws UserError 404 or 422. */
  private async read(caller: Caller, { repositoryId, userId, name }: Which): Promise<Credential> {
    const all = await readCredentials(this.database, this.vault, viewer(caller));
    const owner = userId === null ? 'workspace' : 'mine';
    const found = all.find(
      (each) =>
        each.state !== 'missing' && each.owner === owner && each.name === name && each.repositoryId === repositoryId,
    );
    if (found === undefined)
      throw new UserError(`No secret ${name} is set there`, { code: 'secret_not_found', status: 404, field: 'name' });
    if (found.provider === null)
      throw new UserError(`Nobody can be asked about ${name}: no agent and no repository uses it`, {
        code: 'credential_without_provider',
        status: 422,
        field: 'name',
        remedy: 'Name it as the credential of a repository, or set the secret that the agent reads.',
      });
    return found;
  }
}

function viewer({ workspaceId, userId, role }: Caller): Viewer {
  return { workspaceId, userId, manages: ROLE_PERMISSIONS[role].includes('secret.manage') };
}

/**
 * Wakes whoever asks the providers; the row says that somebody asked. @returns the secret's id.
 * @throws TooOften within a minute of the last time.
 */
async function askForCheck(tx: Tx, { workspaceId, repositoryId, userId, name }: Which): Promise<Id> {
  const which = [workspaceId, name, repositoryId, userId];
  const [asked] = await tx.query<{ id: Id }>(
    `update secret set verify_asked_at = clock_timestamp()
      where workspace_id = $1 and name = $2 and repository_id is not distinct from $3::uuid
        and user_id is not distinct from $4::uuid
        and (verify_asked_at is null or verify_asked_at <= clock_timestamp() - $5 * interval '1 millisecond')
      returning id`,
    [...which, VERIFY_EVERY_MS],
  );
  if (asked !== undefined) {
    await tx.emit(credentialCheck, { workspaceId, secretId: asked.id });
    return asked.id;
  }
  const [last] = await tx.query<{ agoMs: number }>(
    `select extract(epoch from clock_timestamp() - verify_asked_at)::float8 * 1000 as ago_ms from secret
      where workspace_id = $1 and name = $2 and repository_id is not distinct from $3::uuid
        and user_id is not distinct from $4::uuid`,
    which,
  );
  const waitMs = Math.max(1, VERIFY_EVERY_MS - (last?.agoMs ?? 0));
  throw new TooOften(`The provider was asked about ${name} within the last minute`, waitMs, {
    remedy: `Ask again in ${Math.ceil(waitMs / 1_000)} seconds; it is asked every five minutes by itself.`,
  });
}
