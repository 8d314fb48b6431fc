import { randomBytes } from 'node:crypto';
import type { Id } from '@capstan/domain';
import type { Database, ForgeApp } from '@capstan/database';
import { FORGE_NAMES, forge as forgeNamed, type ForgeDelivery } from '@capstan/forges';
import type { Vault } from '@capstan/service-kit';
import type { DeliveryFacts } from './receive.decide.js';

/** Name of the secret that a repository's deliveries are signed with. */
export const WEBHOOK_SECRET = 'WEBHOOK_SECRET';

export interface IncomingDelivery {
  /** From the address: a forge and a repository, or `<forge>-app` and an app. */
  readonly forge: string;
  readonly senderId: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Exactly what arrived. */
  readonly body: Buffer;
}

export interface DeliverySnapshot {
  readonly facts: DeliveryFacts;
  /** Whose it is; null when that is nobody, or nothing that Capstan has. */
  readonly repository: { readonly id: Id; readonly workspaceId: Id; readonly forge: string } | null;
  readonly delivery: ForgeDelivery | null;
}

/** What may sign deliveries, and for which repositories. */
interface Sender {
  readonly workspaceId: Id;
  readonly forge: string;
  /** Null for a sender that has none. */
  readonly secret: string | null;
  /** The repository that a delivery of it is about. */
  readonly repositoryOf: (delivery: ForgeDelivery) => Promise<Id | null>;
}

interface Parts {
  readonly database: Database;
  readonly vault: Vault;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Takes the place of a secret that isn't there, so that the answer takes as long. */
const NOBODYS_SECRET = randomBytes(32).toString('hex');
/** Addresses of apps: one for all repositories that an app is installed on. */
const APP_SUFFIX = '-app';

/** Looks up whose delivery it is and whether it is theirs. */
export async function readDelivery(
  parts: Parts,
  { forge: address, senderId, headers, body }: IncomingDelivery,
): Promise<DeliverySnapshot> {
  const forge = address.endsWith(APP_SUFFIX) ? address.slice(0, -APP_SUFFIX.length) : address;
  const unknown = { facts: { known: false, signed: false, remoteId: undefined }, repository: null, delivery: null };
  if (!FORGE_NAMES.includes(forge)) return unknown;
  const find = address === forge ? findRepository : findApp;
  const sender = UUID.test(senderId) ? await find(parts, forge, senderId) : null;
  const adapter = forgeNamed(forge);
  const signed = adapter.verifyDelivery(sender?.secret ?? NOBODYS_SECRET, headers, body);
  if (sender === null || sender.secret === null || !signed) return unknown;
  const delivery = adapter.readDelivery(headers, body);
  const id = await sender.repositoryOf(delivery);
  const { workspaceId } = sender;
  return {
    facts: { known: true, signed, remoteId: delivery.id, concerns: id !== null },
    repository: id === null ? null : { id, workspaceId, forge },
    delivery,
  };
}

async function findRepository({ database, vault }: Parts, forge: string, id: string): Promise<Sender | null> {
  const [row] = await database.query<{ workspaceId: Id }>(
    'select workspace_id from repository where id = $1 and forge = $2 and archived_at is null',
    [id, forge],
  );
  if (row === undefined) return null;
  const secret = await vault.get({ ...row, repositoryId: id, name: WEBHOOK_SECRET });
  return { ...row, forge, secret, repositoryOf: () => Promise.resolve(id) };
}

/** An app's deliveries are about whatever it is installed on: repositories that Capstan reaches as the app are meant. */
async function findApp({ database, vault }: Parts, forge: string, id: string): Promise<Sender | null> {
  const [app] = await database.query<Pick<ForgeApp, 'workspaceId' | 'apiUrl' | 'webhookSecret' | 'credentialSecret'>>(
    `select workspace_id, api_url, webhook_secret, credential_secret from forge_app
      where id = $1 and forge = $2 and removed_at is null`,
    [id, forge],
  );
  if (app === undefined || app.webhookSecret === null) return null;
  const { workspaceId, apiUrl, credentialSecret } = app;
  const secret = await vault.get({ workspaceId, repositoryId: null, name: app.webhookSecret });
  const repositoryOf = async ({ fullName = '' }: ForgeDelivery): Promise<Id | null> => {
    const [row] = await database.query<{ id: Id }>(
      `select id from repository where workspace_id = $1 and forge = $2 and api_url = $3 and lower(full_name) = lower($4)
          and credential_secret = $5 and archived_at is null`,
      [workspaceId, forge, apiUrl, fullName, credentialSecret],
    );
    return row?.id ?? null;
  };
  return { workspaceId, forge, secret, repositoryOf };
}
