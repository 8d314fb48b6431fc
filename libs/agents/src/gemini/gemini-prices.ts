import type { GeminiTokens } from './gemini-events.schema.js';

/** US dollars per million tokens. */
interface Price {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  /** Prompts of more tokens than this cost more. */
  readonly upTo?: number;
}

const LONG_PROMPT = 200_000;

/**
 * Prices of the paid tier as others quoted the provider's page in 2026, not read there: compare with
 * https://ai.google.dev/gemini-api/docs/pricing before money depends on them. A model that isn't here has no known price:
 * none is guessed.
 */
const PRICES: Readonly<Record<string, Price>> = {
  'gemini-2.5-pro': { input: 1.25, cached: 0.125, output: 10, upTo: LONG_PROMPT },
  'gemini-2.5-flash': { input: 0.3, cached: 0.03, output: 2.5 },
  'gemini-2.5-flash-lite': { input: 0.1, cached: 0.01, output: 0.4 },
};

/** What the model thought is paid as output, and only the total has it. */
export function outputTokens({ total_tokens, input_tokens, output_tokens }: GeminiTokens): number {
  return Math.max(output_tokens, total_tokens - input_tokens);
}

/** Dollars that a run's tokens of one model cost; undefined where that can't be known. */
export function geminiCost(model: string, tokens: GeminiTokens): number | undefined {
  if (tokens.total_tokens === 0 && tokens.input_tokens === 0 && tokens.output_tokens === 0) return 0;
  const price = Object.hasOwn(PRICES, model) ? PRICES[model] : undefined;
  if (price === undefined) return undefined;
  // Only the run's sum is known: beyond the threshold any call may have been one of the dearer ones.
  if (price.upTo !== undefined && tokens.input_tokens > price.upTo) return undefined;
  return (tokens.input * price.input + tokens.cached * price.cached + outputTokens(tokens) * price.output) / 1_000_000;
}
