import type { KeyKind, Provider } from '../provider.js';

/** A credential of a provider, ready to be sent. */
export interface ModelKey {
  readonly kind: KeyKind;
  /** Name of its secret. */
  readonly name: string;
  readonly value: string;
}

const FURTHER = [2, 3, 4, 5, 6, 7, 8, 9];

/** Names of all secrets that a provider's keys may be in, and of the choice between their kinds. */
export function secretNames({ keys, choice }: Provider): readonly string[] {
  return [...keys.flatMap(({ secret }) => namesOf(secret)), ...(choice === undefined ? [] : [choice])];
}

/**
 * The keys of a provider in the order in which they are tried. Where the choice between kinds is made only that kind is:
 * an account that pays by use isn't charged because another has reached its limit.
 */
export function orderKeys(provider: Provider, secrets: ReadonlyMap<string, string>): readonly ModelKey[] {
  return wantedKinds(provider, secrets).flatMap((kind) =>
    namesOf(kind.secret).flatMap((name) => {
      const value = secrets.get(name)?.trim();
      return value === undefined || value === '' ? [] : [{ kind, name, value }];
    }),
  );
}

/** Names of the secrets of which one has to be set. */
export function missingNames(provider: Provider, secrets: ReadonlyMap<string, string>): readonly string[] {
  return wantedKinds(provider, secrets).map(({ secret }) => secret);
}

function wantedKinds({ keys, choice }: Provider, secrets: ReadonlyMap<string, string>): readonly KeyKind[] {
  const mode = choice === undefined ? undefined : secrets.get(choice)?.trim();
  const chosen = keys.filter((kind) => kind.mode === mode);
  return mode === undefined || chosen.length === 0 ? keys : chosen;
}

function namesOf(secret: string): readonly string[] {
  return [secret, ...FURTHER.map((number) => `${secret}_${number}`)];
}
