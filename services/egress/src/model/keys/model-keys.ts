import { createHash } from 'node:crypto';
import type { Vault } from '@capstan/service-kit';
import type { LiveRun } from '../../admit/live-runs.js';
import type { KeyState } from './choose-key.decide.js';
import { missingNames, orderKeys, secretNames, type ModelKey } from './keys.decide.js';
import type { Provider } from '../provider.js';

/** How long keys that were read are used. ms */
const FRESH_MS = 3_000;
/** How long a key that the provider refused goes behind the others. ms */
const REFUSED_MS = 300_000;
const MAX_KNOWN = 1_000;

export interface Keys {
  readonly keys: readonly ModelKey[];
  /** Names of the secrets of which one has to be set, for when there is no key. */
  readonly wanted: readonly string[];
}

/** The keys of repositories, and what is known of each: by its value, since a limit holds for all who use it. */
export class ModelKeys {
  private readonly read = new Map<string, { readonly until: number; readonly keys: Promise<Keys> }>();
  private readonly pausedUntil = new Map<string, number>();
  private readonly refusedUntil = new Map<string, number>();

  constructor(
    private readonly vault: Vault,
    private readonly now: () => number = () => Date.now(),
  ) {}

  /** @throws TransientError while Postgres is away. */
  async of({ workspaceId, repositoryId }: LiveRun, provider: Provider): Promise<Keys> {
    const at = `${repositoryId} ${provider.name}`;
    const known = this.read.get(at);
    if (known !== undefined && known.until > this.now()) return known.keys;
    const keys = this.vault
      .getAll({ workspaceId, repositoryId }, secretNames(provider))
      .then((secrets) => ({ keys: orderKeys(provider, secrets), wanted: missingNames(provider, secrets) }));
    prune(this.read);
    this.read.set(at, { until: this.now() + FRESH_MS, keys });
    keys.catch(() => this.read.delete(at)); // whoever asked hears of it
    return keys;
  }

  state({ value }: ModelKey, refusedNow: boolean): KeyState {
    const id = idOf(value);
    const refusedLately = (this.refusedUntil.get(id) ?? 0) > this.now();
    return { pausedUntil: this.pausedUntil.get(id) ?? 0, refusedNow, refusedLately };
  }

  /** Nobody uses the key for so long. */
  pause({ value }: ModelKey, ms: number): void {
    prune(this.pausedUntil);
    this.pausedUntil.set(idOf(value), this.now() + ms);
  }

  refused({ value }: ModelKey): void {
    prune(this.refusedUntil);
    this.refusedUntil.set(idOf(value), this.now() + REFUSED_MS);
  }
}

/** The oldest goes. */
function prune(map: Map<string, unknown>): void {
  if (map.size >= MAX_KNOWN) map.delete(map.keys().next().value!);
}

function idOf(value: string): string {
  return createHash('sha256').update(value).digest('base64');
}
