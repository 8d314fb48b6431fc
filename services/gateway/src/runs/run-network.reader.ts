import type { RunNetwork } from '@capstan/api';
import type { Id } from '@capstan/domain';
import type { Tx } from '@capstan/database';
import { instant } from '../http/time.js';
import { readRun } from './runs.reader.js';

interface HostRow extends Omit<RunNetwork['hosts'][number], 'firstAt' | 'lastAt'> {
  readonly firstAt: Date;
  readonly lastAt: Date;
}

/** What egress saw of a run. @throws UserError 404 `run_not_found`. */
export async function readRunNetwork(tx: Tx, workspaceId: Id, runId: Id): Promise<RunNetwork> {
  await readRun(tx, workspaceId, runId);
  const hosts = await tx.query<HostRow>(
    `select host, port, verdict, reason, client, connections, bytes_up::float8 as bytes_up, bytes_down::float8 as bytes_down,
            first_at, last_at
       from run_network where workspace_id = $1 and run_id = $2
      order by verdict = 'blocked' desc, connections desc, host, port`,
    [workspaceId, runId],
  );
  const models = await tx.query<RunNetwork['models'][number]>(
    `select provider, model, calls, input_tokens::float8 as input_tokens, output_tokens::float8 as output_tokens,
            cache_read_tokens::float8 as cache_read_tokens, cache_write_tokens::float8 as cache_write_tokens,
            trim_scale(cost_usd)::text as cost_usd
       from model_use where workspace_id = $1 and run_id = $2 and calls > 0 order by provider, model`,
    [workspaceId, runId],
  );
  return {
    runId,
    hosts: hosts.map((row) => ({ ...row, firstAt: instant(row.firstAt), lastAt: instant(row.lastAt) })),
    models: [...models],
  };
}
