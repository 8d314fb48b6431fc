import { lookup } from 'node:dns/promises';
import pLimit from 'p-limit';

/** All addresses of a name. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Lookups at the same time: each holds one of the process's few threads for as long as its name server is silent. */
const AT_ONCE = 2;
/** Names that wait for a lookup; more are told to come again. */
const MAX_WAITING = 200;
const TIMEOUT_MS = 8_000;
/** How long an answer is used again, ms; what it says is checked at each use. */
const FRESH_MS = 30_000;
const MAX_KEPT = 1_000;

/** Resolves names as this machine does, hosts file included; an answer serves for half a minute. */
export function systemResolver(now: () => number = () => performance.now()): Resolve {
  const limit = pLimit(AT_ONCE);
  const kept = new Map<string, { readonly until: number; readonly addresses: Promise<readonly string[]> }>();
  return (host) => {
    const known = kept.get(host);
    if (known !== undefined && known.until > now()) return known.addresses;
    if (limit.pendingCount >= MAX_WAITING) return Promise.reject(new Error('too many names at once'));
    const addresses = limit(() => inTime(lookup(host, { all: true, order: 'verbatim' }))).then((all) =>
      all.map(({ address }) => address),
    );
    if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(host, { until: now() + FRESH_MS, addresses });
    addresses.catch(() => kept.delete(host)); // whoever asked hears of it
    return addresses;
  };
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer from the name servers')), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
