/** What is known of a key when one is chosen. */
export interface KeyState {
  /** Its limit lasts until then; 0: none. ms since 1970 */
  readonly pausedUntil: number;
  /** The provider refused it in this call already. */
  readonly refusedNow: boolean;
  /** The provider refused it lately: others go first. */
  readonly refusedLately: boolean;
}

export type Choice =
  | { readonly kind: 'use'; readonly index: number }
  /** None is free; one will be soon enough. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** None will be in time; `freeAt` is when, or null where every key is refused. ms since 1970 */
  | { readonly kind: 'none'; readonly freeAt: number | null };

/**
 * Chooses the key of the next try: the first that is free. When all are at their limit the call waits for the earliest,
 * as long as that comes within `patienceMs` of the call's beginning.
 * @param now, startedAt ms since 1970
 */
export function chooseKey(keys: readonly KeyState[], now: number, startedAt: number, patienceMs: number): Choice {
  const open = keys.map((key, index) => ({ ...key, index })).filter(({ refusedNow }) => !refusedNow);
  const free = open.filter(({ pausedUntil }) => pausedUntil <= now);
  const first = free.find(({ refusedLately }) => !refusedLately) ?? free[0];
  if (first !== undefined) return { kind: 'use', index: first.index };
  if (open.length === 0) return { kind: 'none', freeAt: null };
  const freeAt = Math.min(...open.map(({ pausedUntil }) => pausedUntil));
  return freeAt <= startedAt + patienceMs ? { kind: 'wait', ms: Math.max(1, freeAt - now) } : { kind: 'none', freeAt };
}
