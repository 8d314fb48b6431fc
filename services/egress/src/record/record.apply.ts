import type { Database, Tx } from '@capstan/database';
import { foldBatch, hostRowKey, modelRowKey, type Rows } from './fold.decide.js';
import type { Batch, HostUse, ModelUsed } from './recorder.js';

type HostKey = Pick<HostUse, 'runId' | 'host' | 'port' | 'verdict'>;
type ModelKey = Pick<ModelUsed, 'runId' | 'provider' | 'model'>;

/** Adds a batch to what is recorded, in one transaction. */
export async function writeBatch(database: Database, batch: Batch): Promise<void> {
  await database.transaction(async (tx) => {
    const { hosts, models } = foldBatch(batch, await readRows(tx, batch));
    if (hosts.length > 0) await writeHosts(tx, hosts);
    if (models.length > 0) await writeModels(tx, models);
  });
}

async function readRows(tx: Tx, { hosts, models }: Batch): Promise<Rows> {
  const runs = (uses: readonly { readonly runId: string }[]) => [...new Set(uses.map(({ runId }) => runId))];
  const [hostRows, modelRows] = [
    hosts.length === 0
      ? []
      : await tx.query<HostKey>('select run_id, host, port, verdict from run_network where run_id = any($1::uuid[])', [
          runs(hosts),
        ]),
    models.length === 0
      ? []
      : await tx.query<ModelKey>('select run_id, provider, model from model_use where run_id = any($1::uuid[])', [
          runs(models),
        ]),
  ];
  return { hosts: byRun(hostRows, hostRowKey), models: byRun(modelRows, modelRowKey) };
}

function byRun<Row extends { readonly runId: string }>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): Map<string, Set<string>> {
  const result = new Map<string, Set<string>>();
  for (const row of rows) {
    const keys = result.get(row.runId) ?? new Set();
    result.set(row.runId, keys.add(keyOf(row)));
  }
  return result;
}

/** Rows in one order, so that two replicas never wait for each other. */
async function writeHosts(tx: Tx, hosts: readonly HostUse[]): Promise<void> {
  await tx.query(
    `insert into run_network as n (workspace_id, run_id, host, port, verdict, reason, client, connections, bytes_up,
                                   bytes_down, first_at, last_at)
     select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::int[],
                          $9::bigint[], $10::bigint[], $11::timestamptz[], $12::timestamptz[])
              as u(workspace_id, run_id, host, port, verdict, reason, client, connections, bytes_up, bytes_down, first_at, last_at)
      order by run_id, host, port, verdict
     on conflict (run_id, host, port, verdict) do update
        set reason = coalesce(excluded.reason, n.reason), client = coalesce(excluded.client, n.client),
            connections = n.connections + excluded.connections, bytes_up = n.bytes_up + excluded.bytes_up,
            bytes_down = n.bytes_down + excluded.bytes_down, last_at = greatest(n.last_at, excluded.last_at)`,
    columns(hosts, [
      ...(['workspaceId', 'runId', 'host', 'port', 'verdict', 'reason', 'client', 'connections'] as const),
      ...(['bytesUp', 'bytesDown', 'firstAt', 'lastAt'] as const),
    ]),
  );
}

async function writeModels(tx: Tx, models: readonly ModelUsed[]): Promise<void> {
  await tx.query(
    `insert into model_use as m (workspace_id, run_id, provider, model, calls, input_tokens, output_tokens,
                                 cache_read_tokens, cache_write_tokens, cost_usd, unpriced_calls, limited_until)
     select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::bigint[],
                          $8::bigint[], $9::bigint[], $10::numeric[], $11::int[], $12::timestamptz[])
              as u(workspace_id, run_id, provider, model, calls, input, output, cache_read, cache_write, cost, unpriced, limited)
      order by run_id, provider, model
     on conflict (run_id, provider, model) do update
        set calls = m.calls + excluded.calls, input_tokens = m.input_tokens + excluded.input_tokens,
            output_tokens = m.output_tokens + excluded.output_tokens,
            cache_read_tokens = m.cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = m.cache_write_tokens + excluded.cache_write_tokens,
            cost_usd = coalesce(m.cost_usd + excluded.cost_usd, m.cost_usd, excluded.cost_usd),
            unpriced_calls = m.unpriced_calls + excluded.unpriced_calls,
            limited_until = greatest(m.limited_until, excluded.limited_until)`,
    columns(models, [
      ...(['workspaceId', 'runId', 'provider', 'model', 'calls', 'input', 'output', 'cacheRead'] as const),
      ...(['cacheWrite', 'costUsd', 'unpricedCalls', 'limitedUntil'] as const),
    ]),
  );
}

function columns<Use>(uses: readonly Use[], names: readonly (keyof Use)[]): unknown[] {
  return names.map((name) => uses.map((use) => use[name]));
}
