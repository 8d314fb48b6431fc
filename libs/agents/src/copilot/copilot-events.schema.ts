import { z } from 'zod';

// Events of `copilot --output-format json`, as far as they are used. Members that aren't named here pass unseen; an event
// that doesn't fit is kept in the log as it is.

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).catch(0);
const name = z.string().max(200);
const status = z.number().int().optional().catch(undefined);
const words = z.string().optional().catch(undefined);
const event = <Type extends string, Data extends z.ZodType>(type: Type, data: Data) =>
  z.object({ type: z.literal(type), data });

/** Events that say nothing which another one doesn't say better, or nothing of use: pieces of what comes whole later. */
const quiet = z
  .object({
    type: z.enum([
      'assistant.idle',
      'assistant.message_delta',
      'assistant.reasoning_delta',
      'assistant.message_start',
      'assistant.tool_call_delta',
      'assistant.turn_end',
      'assistant.turn_retry',
      'model.call_final_result',
      'model.call_finished',
      'model.call_start',
      'session.background_tasks_changed',
      'session.mcp_servers_loaded',
      'session.skills_loaded',
      'session.tools_updated',
      'tool.execution_partial_result',
      'tool.shell_output',
    ]),
  })
  .transform(() => ({ type: 'quiet' as const }));

const toolComplete = z.object({
  toolCallId: z.string(),
  /** True for a command that failed too: `shellExecution` has its exit code. */
  success: z.boolean(),
  result: z.object({ content: words }).optional().catch(undefined),
  error: z.object({ message: words }).optional().catch(undefined),
  shellExecution: z.object({ exitCode: status }).optional().catch(undefined),
});

const callFailure = z.object({
  statusCode: status,
  /** `api` for an answer, `transport` where there was none. */
  failureKind: words,
  errorMessage: words,
  retryAttempt: count,
});

const usage = z.object({
  model: name,
  /** With what was read from the cache and written to it. */
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
});

const spoken = z.discriminatedUnion('type', [
  event('user.message', z.object({ content: z.string() })),
  event('assistant.turn_start', z.object({})),
  event('assistant.message', z.object({ content: z.string() })),
  event('assistant.reasoning', z.object({ content: z.string() })),
  event('assistant.usage', usage),
  event('tool.execution_start', z.object({ toolCallId: z.string(), toolName: z.string(), arguments: z.unknown() })),
  event('tool.execution_complete', toolComplete),
  event('model.call_failure', callFailure),
  event('session.info', z.object({ message: z.string() })),
  event('session.warning', z.object({ message: z.string() })),
  event(
    'session.error',
    z.object({ errorType: z.string(), errorCode: words, statusCode: status, message: z.string() }),
  ),
  z.object({
    type: z.literal('result'),
    sessionId: name.min(1),
    exitCode: z.number().int(),
    usage: z
      .object({ premiumRequests: z.number().nonnegative().optional().catch(undefined) })
      .optional()
      .catch(undefined),
  }),
]);
export const copilotEvent = z.union([quiet, spoken]);
export type CopilotEvent = z.output<typeof copilotEvent>;
