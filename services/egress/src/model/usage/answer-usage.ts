import { z } from 'zod';
import type { Tokens } from '../../record/recorder.js';
import type { ProviderName } from '../provider.js';

/** What answers have told so far of one call. Members are undefined until they are told. */
export interface Seen {
  readonly model?: string | undefined;
  readonly tokens?: Tokens | undefined;
}

/** Reads one JSON value of an answer: its body, or one event of its stream. Later values replace what earlier ones told. */
export type ReadAnswer = (value: unknown, seen: Seen) => Seen;

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional().catch(undefined);
const name = z.string().max(500).optional().catch(undefined);

const AnthropicUsage = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
});
const AnthropicMessage = z.object({ model: name, usage: AnthropicUsage });
const AnthropicAnswer = z.union([
  z.object({ type: z.literal('message_start'), message: AnthropicMessage }),
  z.object({ type: z.literal('message_delta'), usage: AnthropicUsage }),
  AnthropicMessage.extend({ type: z.literal('message') }),
]);

/** The beginning of a stream tells the prompt, its end the output; what the end repeats of the prompt is the same. */
const anthropic: ReadAnswer = (value, seen) => {
  const parsed = AnthropicAnswer.safeParse(value);
  if (!parsed.success) return seen;
  const message = 'message' in parsed.data ? parsed.data.message : parsed.data;
  const { usage } = message;
  const before = seen.tokens ?? NO_TOKENS;
  return {
    model: ('model' in message ? message.model : undefined) ?? seen.model,
    tokens: {
      input: usage.input_tokens ?? before.input,
      output: usage.output_tokens ?? before.output,
      cacheRead: usage.cache_read_input_tokens ?? before.cacheRead,
      cacheWrite: usage.cache_creation_input_tokens ?? before.cacheWrite,
    },
  };
};

const cached = z.object({ cached_tokens: count, cache_write_tokens: count }).optional().catch(undefined);
const ResponseUsage = z.object({ input_tokens: count, output_tokens: count, input_tokens_details: cached });
const OpenaiResponse = z.object({ model: name, usage: ResponseUsage });
const OpenaiAnswer = z.union([
  z.object({ type: z.string().startsWith('response.'), response: OpenaiResponse }),
  OpenaiResponse.extend({ object: z.literal('response') }),
  z.object({
    model: name,
    usage: z.object({ prompt_tokens: z.number(), completion_tokens: count, prompt_tokens_details: cached }),
  }),
]);

/** The prompt's tokens are told with those from the cache among them. */
const openai: ReadAnswer = (value, seen) => {
  const parsed = OpenaiAnswer.safeParse(value);
  if (!parsed.success) return seen;
  const answer = 'response' in parsed.data ? parsed.data.response : parsed.data;
  const { usage } = answer;
  const [prompt, output, details] =
    'prompt_tokens' in usage
      ? [usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details]
      : [usage.input_tokens, usage.output_tokens, usage.input_tokens_details];
  const [cacheRead, cacheWrite] = [details?.cached_tokens ?? 0, details?.cache_write_tokens ?? 0];
  const input = Math.max(0, Math.floor(prompt ?? 0) - cacheRead - cacheWrite);
  return { model: answer.model ?? seen.model, tokens: { input, output: output ?? 0, cacheRead, cacheWrite } };
};

const GeminiAnswer = z.object({
  modelVersion: name,
  usageMetadata: z.object({
    promptTokenCount: count,
    cachedContentTokenCount: count,
    candidatesTokenCount: count,
    thoughtsTokenCount: count,
    toolUsePromptTokenCount: count,
  }),
});

/** Each piece of a stream tells the sums up to it; a stream that isn't one of events is one array of its pieces. */
const gemini: ReadAnswer = (value, seen) => {
  if (Array.isArray(value)) return value.reduce<Seen>((all, each) => gemini(each, all), seen);
  const parsed = GeminiAnswer.safeParse(value);
  if (!parsed.success) return seen;
  const { modelVersion, usageMetadata: usage } = parsed.data;
  const cacheRead = usage.cachedContentTokenCount ?? 0;
  const prompt = (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0);
  return {
    model: modelVersion ?? seen.model,
    tokens: {
      input: Math.max(0, prompt - cacheRead),
      output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
      cacheRead,
      cacheWrite: 0,
    },
  };
};

const NO_TOKENS: Tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 };

export const READ_ANSWER: Readonly<Record<ProviderName, ReadAnswer>> = { anthropic, openai, gemini };
