import { costOf } from './codex/codex-prices.js';
import { geminiCost } from './gemini/gemini-prices.js';

/** Tokens of one call, each kind counted once. */
export interface CallTokens {
  /** Neither read from a cache nor written to one. */
  readonly input: number;
  /** With what the model thought. */
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
}

/** OpenAI's list prices are of calls up to this; longer ones cost more. */
const OPENAI_LONG_PROMPT = 272_000;

/**
 * US dollars that one call costs at the provider's own list price; undefined where none is known. Anthropic's aren't
 * known here: its program tells what it cost by itself.
 */
export function listPrice(provider: string, model: string, tokens: CallTokens): number | undefined {
  const { input, output, cacheRead, cacheWrite } = tokens;
  const prompt = input + cacheRead + cacheWrite;
  switch (provider) {
    case 'openai': {
      if (prompt > OPENAI_LONG_PROMPT) return undefined;
      const cost = costOf(model, { fresh: input, cached: cacheRead, cacheWrite, output });
      return cost === undefined ? undefined : Number(cost);
    }
    case 'gemini':
      return geminiCost(model, {
        ...{ total_tokens: prompt + output, input_tokens: prompt, output_tokens: output },
        ...{ cached: cacheRead, input },
      });
    default:
      return undefined;
  }
}
