import { z } from 'zod';

// Events of `gemini --output-format stream-json`, as far as they are used. Members that aren't named here pass unseen; an
// event that doesn't fit is kept in the log as it is.

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).catch(0);

/** Tokens of the whole run. */
const tokens = z.object({
  /** With what the model thought, which no other member has. */
  total_tokens: count,
  /** Of prompts, with what came from the cache; `input` is without. */
  input_tokens: count,
  output_tokens: count,
  cached: count,
  input: count,
});
export type GeminiTokens = z.output<typeof tokens>;

const fault = z.object({ type: z.string().catch('unknown'), message: z.string().catch('') });

export const geminiEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('init'), session_id: z.string().min(1).max(200), model: z.string().max(200) }),
  z.object({ type: z.literal('message'), role: z.string(), content: z.string(), delta: z.boolean().optional() }),
  z.object({ type: z.literal('tool_use'), tool_name: z.string(), tool_id: z.string(), parameters: z.unknown() }),
  z.object({
    type: z.literal('tool_result'),
    tool_id: z.string(),
    /** `success` too for a command that failed: its exit code is nowhere. */
    status: z.string(),
    output: z.string().optional().catch(undefined),
    error: fault.optional().catch(undefined),
  }),
  z.object({ type: z.literal('error'), severity: z.string().optional().catch(undefined), message: z.string() }),
  z.object({
    type: z.literal('result'),
    status: z.string(),
    timestamp: z.string().catch(''),
    error: fault.optional().catch(undefined),
    stats: tokens
      .extend({ models: z.record(z.string().max(200), tokens).catch({}) })
      .optional()
      .catch(undefined),
  }),
]);
export type GeminiEvent = z.output<typeof geminiEvent>;

/** The API's own answer, which the CLI wraps as it is into the message of a failing result. */
export const geminiApiError = z.object({
  error: z.object({
    code: z.number().int().optional().catch(undefined),
    message: z.string().catch(''),
    details: z
      .array(
        z.object({
          reason: z.string().optional().catch(undefined),
          retryDelay: z.string().optional().catch(undefined),
        }),
      )
      .catch([]),
  }),
});
export type GeminiApiError = z.output<typeof geminiApiError>['error'];
