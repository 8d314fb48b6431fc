import { listPrice } from '@capstan/agents';
import type { Tokens } from '../../record/recorder.js';
import type { Seen } from './answer-usage.js';

/** How much of a body is looked at for the name of its model, bytes. */
const LOOK_BYTES = 65_536;

/** The model that a request names: in its address, or in its body, where programs name it early. */
export function askedModel(path: string, body: Buffer): string | undefined {
  const inPath = /\/models\/([^/:]+):/.exec(path)?.[1];
  if (inPath !== undefined) return inPath;
  const beginning = body.subarray(0, LOOK_BYTES).toString('latin1');
  return /"model"\s*:\s*"([^"\\]{1,120})"/.exec(beginning)?.[1];
}

/**
 * What a call is recorded under. The answer's word decides, since an agent might name another model in its request; the
 * asked name stands where the answer's is a dated form of it, for that is what people and price lists call it.
 */
export function namedModel(asked: string | undefined, { model }: Seen): string {
  if (model === undefined) return asked ?? 'unknown';
  return asked !== undefined && model.startsWith(`${asked}-`) && /^-\d[\d-]*$/.test(model.slice(asked.length))
    ? asked
    : model;
}

/** US dollars; undefined where no price is known, as at any endpoint but the provider's own. */
export function priceOf(
  provider: string,
  model: string,
  tokens: Tokens | undefined,
  ownEndpoint: boolean,
): number | undefined {
  return tokens === undefined || !ownEndpoint ? undefined : listPrice(provider, model, tokens);
}
