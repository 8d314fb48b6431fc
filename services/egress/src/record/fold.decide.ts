import { mergedHost, mergedModel, type Batch, type HostUse, type ModelUsed } from './recorder.js';

/** Hosts that a run has rows of its own for; all further ones are one row more. */
export const MAX_HOSTS = 200;
/** The same of models. */
export const MAX_MODELS = 50;
/** What stands for all that were too many. */
export const REST = '…';

/** Keys of the rows that runs have already, by run. */
export interface Rows {
  readonly hosts: ReadonlyMap<string, ReadonlySet<string>>;
  readonly models: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * Keeps what a hostile agent can write bounded: what would be a row too many of its run is counted with the others in
 * the row `…`. No key comes twice in the result.
 */
export function foldBatch(batch: Batch, rows: Rows): Batch {
  return {
    hosts: fold(batch.hosts, rows.hosts, MAX_HOSTS, hostRowKey, (use) => ({ ...use, host: REST, port: 0 }), mergedHost),
    models: fold(batch.models, rows.models, MAX_MODELS, modelRowKey, (use) => ({ ...use, model: REST }), mergedModel),
  };
}

export function hostRowKey({ host, port, verdict }: Pick<HostUse, 'host' | 'port' | 'verdict'>): string {
  return `${host} ${port} ${verdict}`;
}

export function modelRowKey({ provider, model }: Pick<ModelUsed, 'provider' | 'model'>): string {
  return `${provider} ${model}`;
}

function fold<Use extends { readonly runId: string }>(
  uses: readonly Use[],
  rows: ReadonlyMap<string, ReadonlySet<string>>,
  max: number,
  keyOf: (use: Use) => string,
  rest: (use: Use) => Use,
  merge: (older: Use, newer: Use) => Use,
): Use[] {
  const known = new Map([...rows].map(([runId, keys]) => [runId, new Set(keys)]));
  const kept = new Map<string, Use>();
  for (const use of uses) {
    const keys = known.get(use.runId) ?? new Set();
    known.set(use.runId, keys);
    const fits = keys.has(keyOf(use)) || keys.size < max;
    const row = fits ? use : rest(use);
    if (fits) keys.add(keyOf(use));
    const key = `${row.runId} ${keyOf(row)}`;
    const older = kept.get(key);
    kept.set(key, older === undefined ? row : merge(older, row));
  }
  return [...kept.values()];
}
