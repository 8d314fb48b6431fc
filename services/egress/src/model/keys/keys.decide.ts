import { knownCredential } from '@capstan/agents';
import type { ModelOrderEntry } from '@capstan/domain';
import type { FoundSecret } from '@capstan/service-kit';
import type { KeyKind, Provider } from '../provider.js';

/** A provider that answers in another's protocol. */
export interface CompatiblePlace {
  readonly baseUrl: string;
  /** What models are called there, by what they are asked for; `*` is every other. */
  readonly models: Readonly<Record<string, string>>;
}

/** A credential, ready to be sent, and where to. */
export interface ModelKey {
  readonly kind: KeyKind;
  /** Name of its secret. */
  readonly name: string;
  readonly value: string;
  /** The only place that it goes to; null: the protocol's own provider, or what the repository has set in its stead. */
  readonly place: CompatiblePlace | null;
}

type Secrets = ReadonlyMap<string, FoundSecret>;
export type ModelOrder = readonly ModelOrderEntry[];

const FURTHER = [2, 3, 4, 5, 6, 7, 8, 9];

/** Names of all secrets that a provider's keys may be in, of those in the order, and of the choice between their kinds. */
export function secretNames({ keys, choice }: Provider, order: ModelOrder): readonly string[] {
  return [
    ...keys.flatMap(({ secret }) => namesOf(secret)),
    ...order.flatMap((entry) => (entry.kind === 'compatible' ? [entry.secret] : [])),
    ...(choice === undefined ? [] : [choice]),
  ];
}

/**
 * The keys in the order in which they are tried. A person's own come first: who brings a key means it to be used. Then the
 * workspace's order, or where it has none all keys by their names; of these only the chosen kind where a choice is made:
 * an account that pays by use isn't charged because another has reached its limit.
 */
export function orderKeys(provider: Provider, secrets: Secrets, order: ModelOrder): readonly ModelKey[] {
  const own = chosenKinds(provider, secrets, true).flatMap((kind) => keysOf(kind, secrets, true));
  const rest =
    order.length === 0
      ? chosenKinds(provider, secrets, false).flatMap((kind) => keysOf(kind, secrets, false))
      : order.flatMap((entry) => entryKey(provider, entry, secrets));
  return [...own, ...rest];
}

/** Names of the secrets of which one has to be set. */
export function missingNames(provider: Provider, secrets: Secrets, order: ModelOrder): readonly string[] {
  if (order.length > 0) return [...new Set(order.map(({ secret }) => secret))];
  return chosenKinds(provider, secrets, false).map(({ secret }) => secret);
}

/** @param own Another's choice says nothing of a person's own keys. */
function chosenKinds({ keys, choice }: Provider, secrets: Secrets, own: boolean): readonly KeyKind[] {
  const chosen = choice === undefined ? undefined : secrets.get(choice);
  if (own && chosen?.own === false) return keys;
  const mode = chosen?.value.trim();
  const kinds = keys.filter((kind) => kind.mode === mode);
  return mode === undefined || kinds.length === 0 ? keys : kinds;
}

function keysOf(kind: KeyKind, secrets: Secrets, own: boolean): readonly ModelKey[] {
  return namesOf(kind.secret).flatMap((name) => keyIn(kind, name, secrets, own));
}

function keyIn(kind: KeyKind, name: string, secrets: Secrets, own: boolean): readonly ModelKey[] {
  const found = secrets.get(name);
  const value = found?.value.trim() ?? '';
  return value === '' || found?.own !== own ? [] : [{ kind, name, value, place: null }];
}

function entryKey(provider: Provider, entry: ModelOrderEntry, secrets: Secrets): readonly ModelKey[] {
  const { secret } = entry;
  if (entry.kind === 'key') {
    const kind = provider.keys.find((each) => namesOf(each.secret).includes(secret));
    return kind === undefined ? [] : keyIn(kind, secret, secrets, false);
  }
  // The key of a provider goes to that provider alone, whatever an order says.
  if (knownCredential(secret) !== undefined) return [];
  const { baseUrl, models } = entry;
  const kind: KeyKind = { secret, headers: provider.compatible };
  return keyIn(kind, secret, secrets, false).map((key) => ({ ...key, place: { baseUrl, models } }));
}

function namesOf(secret: string): readonly string[] {
  return [secret, ...FURTHER.map((number) => `${secret}_${number}`)];
}
