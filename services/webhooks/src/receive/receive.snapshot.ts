import { randomBytes } from 'node:crypto';
import type { Id } from '@capstan/domain';
import type { Database } from '@capstan/database';
import { FORGE_NAMES, forge as forgeNamed, type ForgeDelivery } from '@capstan/forges';
import type { Vault } from '@capstan/service-kit';
import type { DeliveryFacts } from './receive.decide.js';

/** Name of the secret that a repository's deliveries are signed with. */
export const WEBHOOK_SECRET = 'WEBHOOK_SECRET';

export interface IncomingDelivery {
  /** From the address. */
  readonly forge: string;
  readonly repositoryId: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Exactly what arrived. */
  readonly body: Buffer;
}

export interface DeliverySnapshot {
  readonly facts: DeliveryFacts;
  readonly workspaceId: Id | null;
  readonly delivery: ForgeDelivery | null;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Takes the place of a secret that isn't there, so that the answer takes as long. */
const NOBODYS_SECRET = randomBytes(32).toString('hex');

/** Looks up whose delivery it is and whether it is theirs. */
export async function readDelivery(
  { database, vault }: { readonly database: Database; readonly vault: Vault },
  { forge, repositoryId, headers, body }: IncomingDelivery,
): Promise<DeliverySnapshot> {
  const unknown = { facts: { known: false, signed: false, remoteId: undefined }, workspaceId: null, delivery: null };
  if (!FORGE_NAMES.includes(forge)) return unknown;
  const [repository] = UUID.test(repositoryId)
    ? await database.query<{ id: Id; workspaceId: Id }>(
        'select id, workspace_id from repository where id = $1 and forge = $2 and archived_at is null',
        [repositoryId, forge],
      )
    : [];
  const secret =
    repository === undefined
      ? null
      : await vault.get({ workspaceId: repository.workspaceId, repositoryId: repository.id, name: WEBHOOK_SECRET });
  const adapter = forgeNamed(forge);
  const signed = adapter.verifyDelivery(secret ?? NOBODYS_SECRET, headers, body);
  if (repository === undefined || secret === null || !signed) return unknown;
  const delivery = adapter.readDelivery(headers, body);
  return { facts: { known: true, signed, remoteId: delivery.id }, workspaceId: repository.workspaceId, delivery };
}
