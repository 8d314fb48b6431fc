import type { Delivery } from '@capstan/database';
import { deliveryReceived } from '@capstan/events';
import type { ParkedVerb, ParkedVerbs } from '@capstan/service-kit';

const PARKED_DELIVERY: ParkedVerb<Delivery> = {
  replay: async (tx, { id, workspaceId, repositoryId }) => {
    await tx.emit(deliveryReceived, { workspaceId, repositoryId, deliveryId: id });
    return 'It is handed on again';
  },
  drop: async (tx, { id }, { words }) => {
    await tx.query('update delivery set parked_at = null, last_error = $2 where id = $1', [id, words]);
    return 'It is dropped; what it told is found by the next look at the forge or the tracker';
  },
};

/** Deliveries that nobody could read. */
export const parkedVerbs = (): ParkedVerbs => ({ delivery: PARKED_DELIVERY });
