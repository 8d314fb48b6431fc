import { Controller } from '@nestjs/common';
import { routes, type ModelOrder } from '@capstan/api';
import { Database, type ModelOrder as ModelOrderRow, type Tx } from '@capstan/database';
import { MODEL_PROTOCOLS, UserError, type Id, type ModelProtocol } from '@capstan/domain';
import { workspaceChanged } from '@capstan/events';
import { audit } from '../access/audit.js';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { instant } from '../http/time.js';
import { decideModelOrder } from './model-order.decide.js';
import { lookAtPlaces, ownAddresses, readReserved } from './model-order.snapshot.js';

/** In which order egress asks keys, accounts and compatible providers. Egress reads the rows; nothing has to wake it. */
@Controller()
export class ModelOrdersController {
  constructor(private readonly database: Database) {}

  @Serves(routes.listModelOrders)
  list({ caller: { workspaceId } }: AskOf<typeof routes.listModelOrders>) {
    return this.database.transaction(async (tx) => ({ items: [...(await readOrders(tx, workspaceId))] }), {
      workspaceId,
    });
  }

  @Serves(routes.putModelOrder)
  async put({ caller, params, body }: AskOf<typeof routes.putModelOrder>): Promise<ModelOrder> {
    const { workspaceId } = caller;
    const { protocol } = params;
    const { entries } = body;
    // Before the transaction: a name server may take its time.
    const places = await lookAtPlaces(entries);
    return this.database.transaction(
      async (tx) => {
        const reserved = await readReserved(tx, workspaceId);
        const fault = decideModelOrder({ protocol, entries, reserved, places, own: ownAddresses() });
        if (fault !== null)
          throw new UserError(`Step ${fault.step}: ${fault.reason}`, {
            code: 'model_order_invalid',
            status: 422,
            field: fault.field,
            issues: [{ field: fault.field, message: fault.reason }],
            remedy: fault.remedy,
          });
        if (entries.length === 0)
          await tx.query('delete from model_order where workspace_id = $1 and protocol = $2', [workspaceId, protocol]);
        else
          await tx.query(
            `insert into model_order (workspace_id, protocol, entries) values ($1, $2, $3)
             on conflict (workspace_id, protocol) do update set entries = $3, changed_at = clock_timestamp()`,
            [workspaceId, protocol, JSON.stringify(entries)],
          );
        const [row] = await tx.query<{ version: number }>(
          'update workspace set version = version + 1 where id = $1 returning version',
          [workspaceId],
        );
        await tx.emit(workspaceChanged, { workspaceId, version: row!.version });
        await audit(tx, caller, 'model_order.set', workspaceId, { protocol, entries });
        return (await readOrders(tx, workspaceId)).find((order) => order.protocol === protocol)!;
      },
      { workspaceId },
    );
  }
}

/** One for each protocol, without entries where none is set. */
async function readOrders(tx: Tx, workspaceId: Id): Promise<readonly ModelOrder[]> {
  const rows = await tx.query<Pick<ModelOrderRow, 'entries' | 'changedAt'> & { readonly protocol: ModelProtocol }>(
    'select protocol, entries, changed_at from model_order where workspace_id = $1',
    [workspaceId],
  );
  const set = await tx.query<{ name: string }>(
    'select distinct name from secret where workspace_id = $1 and user_id is null',
    [workspaceId],
  );
  const names = new Set(set.map(({ name }) => name));
  return MODEL_PROTOCOLS.map((protocol) => {
    const row = rows.find((each) => each.protocol === protocol);
    const entries = (row?.entries ?? []).map((entry) =>
      entry.kind === 'key' ? entry : { ...entry, models: { ...entry.models } },
    );
    const unset = [...new Set(entries.map(({ secret }) => secret))].filter((name) => !names.has(name));
    return { protocol, entries, unset, changedAt: instant(row?.changedAt ?? null) };
  });
}
