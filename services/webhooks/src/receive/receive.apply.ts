import { newId, type Database } from '@capstan/database';
import { deliveryReceived } from '@capstan/events';
import type { DeliverySnapshot, IncomingDelivery } from './receive.snapshot.js';

/** Headers that are kept: what a delivery is, and never what it is signed with. */
const KEPT = /^(content-type|user-agent|x-github-(delivery|event|hook-id|hook-installation-target-(id|type)))$/;

interface StoredAs {
  readonly repository: NonNullable<DeliverySnapshot['repository']>;
  readonly remoteId: string;
  readonly event: string;
}

/** Stores a delivery once by its id, with the event that wakes others. `stale`: it is stored already. */
export async function storeDelivery(
  database: Database,
  { headers, body }: Pick<IncomingDelivery, 'headers' | 'body'>,
  { repository, remoteId, event }: StoredAs,
): Promise<'applied' | 'stale'> {
  const { id: repositoryId, workspaceId, forge } = repository;
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => KEPT.test(name)));
  return database.commit('store', async (tx) => {
    const id = newId();
    const rows = await tx.query(
      `insert into delivery (id, workspace_id, repository_id, forge, remote_id, event, headers, body)
       values ($1,$2,$3,$4,$5,$6,$7,$8) on conflict (repository_id, remote_id) do nothing returning id`,
      [id, workspaceId, repositoryId, forge, remoteId, event, kept, body],
    );
    if (rows.length === 0) return 'stale';
    await tx.emit(deliveryReceived, { workspaceId, deliveryId: id, repositoryId });
    return 'applied';
  });
}
