import { createHash } from 'node:crypto';
import type { Database, ModelOrder as ModelOrderRow } from '@capstan/database';
import type { Vault } from '@capstan/service-kit';
import type { LiveRun } from '../../admit/live-runs.js';
import type { KeyState } from './choose-key.decide.js';
import { missingNames, orderKeys, secretNames, type ModelKey, type ModelOrder } from './keys.decide.js';
import type { Provider } from '../provider.js';

/** How long keys that were read are used. ms */
const FRESH_MS = 3_000;
/** How long a key that the provider refused goes behind the others. ms */
const REFUSED_MS = 300_000;
const MAX_KNOWN = 1_000;

type KeysOf = Pick<LiveRun, 'workspaceId' | 'repositoryId' | 'userId' | 'agent'>;

export interface Keys {
  readonly keys: readonly ModelKey[];
  /** Names of the secrets of which one has to be set, for when there is no key. */
  readonly wanted: readonly string[];
}

/** The keys of runs, and what is known of each: by its value and place, since a limit holds for all who use it there. */
export class ModelKeys {
  private readonly read = new Map<string, { readonly until: number; readonly keys: Promise<Keys> }>();
  private readonly pausedUntil = new Map<string, number>();
  private readonly refusedUntil = new Map<string, number>();

  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly now: () => number = () => Date.now(),
  ) {}

  /** @throws TransientError while Postgres is away. */
  async of(run: KeysOf, provider: Provider): Promise<Keys> {
    const ordinary = run.agent.baseUrl === undefined;
    const at = `${run.repositoryId} ${run.userId} ${ordinary} ${provider.name}`;
    const known = this.read.get(at);
    if (known !== undefined && known.until > this.now()) return known.keys;
    // Where a repository has an endpoint of its own nothing of a person's goes there, and nothing of its goes elsewhere.
    const keys = ordinary ? this.inOrder(run, provider) : this.keysOf({ ...run, userId: null }, provider, []);
    prune(this.read);
    this.read.set(at, { until: this.now() + FRESH_MS, keys });
    keys.catch(() => this.read.delete(at)); // whoever asked hears of it
    return keys;
  }

  state(key: ModelKey, refusedNow: boolean): KeyState {
    const id = idOf(key);
    const refusedLately = (this.refusedUntil.get(id) ?? 0) > this.now();
    return { pausedUntil: this.pausedUntil.get(id) ?? 0, refusedNow, refusedLately };
  }

  /** Nobody uses the key for so long. */
  pause(key: ModelKey, ms: number): void {
    prune(this.pausedUntil);
    this.pausedUntil.set(idOf(key), this.now() + ms);
  }

  refused(key: ModelKey): void {
    prune(this.refusedUntil);
    this.refusedUntil.set(idOf(key), this.now() + REFUSED_MS);
  }

  private async inOrder(run: KeysOf, provider: Provider): Promise<Keys> {
    const [row] = await this.database.query<Pick<ModelOrderRow, 'entries'>>(
      'select entries from model_order where workspace_id = $1 and protocol = $2',
      [run.workspaceId, provider.name],
    );
    return this.keysOf(run, provider, row?.entries ?? []);
  }

  private async keysOf(
    { workspaceId, repositoryId, userId }: KeysOf,
    provider: Provider,
    order: ModelOrder,
  ): Promise<Keys> {
    const secrets = await this.vault.getAll({ workspaceId, repositoryId, userId }, secretNames(provider, order));
    return { keys: orderKeys(provider, secrets, order), wanted: missingNames(provider, secrets, order) };
  }
}

/** The oldest goes. */
function prune(map: Map<string, unknown>): void {
  if (map.size >= MAX_KNOWN) map.delete(map.keys().next().value!);
}

function idOf({ value, place }: ModelKey): string {
  return createHash('sha256')
    .update(`${place?.baseUrl ?? ''} ${value}`)
    .digest('base64');
}
