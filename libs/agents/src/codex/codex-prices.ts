import { dollars } from '../cli/json-line.js';
import type { TokenTotals } from './codex.judgement.js';

/** US dollars per million tokens. */
interface Price {
  readonly input: number;
  readonly cachedInput: number;
  /** Undefined where no price of its own is known: then a run that wrote to the cache has no known cost. */
  readonly cacheWrite?: number;
  readonly output: number;
}

/**
 * OpenAI's list prices (https://developers.openai.com/api/docs/pricing, standard tier, requests of up to 272,000 input
 * tokens), taken from public records of that page, of which two had to agree; the later one's date is beside each. A
 * longer request costs up to twice as much, which the totals of a thread don't show: such a run cost more than is said
 * here. What isn't in the table has no known price, a model's snapshots with a date in their name among it.
 */
const PRICES: ReadonlyMap<string, Price> = new Map([
  ['gpt-6.1-sol', { input: 2, cachedInput: 0.1, output: 10 }], // 2026-10-01
  ['gpt-6-astra', { input: 10, cachedInput: 1, cacheWrite: 12.5, output: 50 }], // 2026-09-05
  ['gpt-6-sol', { input: 2, cachedInput: 0.2, cacheWrite: 2.5, output: 10 }], // 2026-09-23
  ['gpt-6-luna', { input: 0.1, cachedInput: 0.01, cacheWrite: 0.125, output: 0.5 }], // 2026-09-23
  ['gpt-5.5', { input: 5, cachedInput: 0.5, output: 30 }], // 2026-06
  ['gpt-5.4', { input: 2.5, cachedInput: 0.25, output: 15 }], // 2026-06
  ['gpt-5.4-mini', { input: 0.75, cachedInput: 0.075, output: 4.5 }], // 2026-06
  ['gpt-5.3-codex', { input: 1.75, cachedInput: 0.175, output: 14 }], // 2026-09-30
]);

const MILLION = 1_000_000;

/** What the tokens cost at list price, as a decimal string; undefined where a price is not known. */
export function costOf(model: string, { fresh, cached, cacheWrite, output }: TokenTotals): string | undefined {
  const price = PRICES.get(model);
  if (price === undefined || (cacheWrite > 0 && price.cacheWrite === undefined)) return undefined;
  const sum =
    fresh * price.input + cached * price.cachedInput + cacheWrite * (price.cacheWrite ?? 0) + output * price.output;
  return dollars(sum / MILLION);
}
