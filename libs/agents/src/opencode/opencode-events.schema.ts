import { z } from 'zod';

// Events of `opencode run --format json`, as far as they are used. Members that aren't named here pass unseen; an event
// that doesn't fit is kept in the log as it is.

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).catch(0);
const event = <Type extends string, Shape extends z.core.$ZodLooseShape>(type: Type, shape: Shape) =>
  z.object({ type: z.literal(type), sessionID: z.string().min(1).max(200), timestamp: z.number().catch(0), ...shape });

/** Comes only when the tool has finished: call and result in one. */
const toolPart = z.object({
  tool: z.string(),
  callID: z.string().optional(),
  state: z.object({
    /** `completed` for a command that failed too: `metadata.exit` has its exit code. */
    status: z.string(),
    input: z.unknown(),
    output: z.string().optional().catch(undefined),
    error: z.string().optional().catch(undefined),
    metadata: z
      .object({ exit: z.number().optional().catch(undefined) })
      .optional()
      .catch(undefined),
  }),
});

/** Of this step alone. `output` is without what the model thought. */
const stepPart = z.object({
  tokens: z.object({
    input: count,
    output: count,
    reasoning: count,
    cache: z.object({ read: count, write: count }).catch({ read: 0, write: 0 }),
  }),
  /** US dollars; 0 also for a model whose price OpenCode doesn't know. */
  cost: z.number().nonnegative().catch(0),
});

const error = z.object({
  name: z.string(),
  data: z
    .object({
      message: z.string().optional().catch(undefined),
      statusCode: z.number().int().optional().catch(undefined),
      isRetryable: z.boolean().optional().catch(undefined),
      responseHeaders: z.record(z.string(), z.unknown()).optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

export const opencodeEvent = z.discriminatedUnion('type', [
  event('step_start', {}),
  event('text', { part: z.object({ text: z.string() }) }),
  event('reasoning', { part: z.object({ text: z.string() }) }),
  event('tool_use', { part: toolPart }),
  event('step_finish', { part: stepPart }),
  event('error', { error }),
]);
export type OpencodeEvent = z.output<typeof opencodeEvent>;
