import { z } from 'zod';

// Events of Claude Code's stream, as far as they are used. Members that aren't named here pass unseen; an event that
// doesn't fit is kept in the log as it is.

const count = z.number().nonnegative().catch(0);

/** What an API call failed of, in the words of the CLI. */
const apiError = z.string().min(1);

/** A block of a message; one of any other type is kept in the log as it is. */
export const claudeBlock = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), thinking: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.unknown() }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: z.unknown(),
    is_error: z.boolean().nullish(),
  }),
]);

const message = z.object({
  id: z.string().optional(),
  model: z.string().optional(),
  content: z.union([z.string(), z.array(z.unknown())]),
});

const modelUsage = z.record(
  z.string(),
  z.object({
    inputTokens: count,
    outputTokens: count,
    cacheReadInputTokens: count,
    cacheCreationInputTokens: count,
    costUSD: z.number().nonnegative().optional(),
    costBasis: z.string().optional(),
  }),
);
export type ModelUsage = z.output<typeof modelUsage>;

const rateLimit = z.object({
  status: z.string(),
  /** Unix seconds. */
  resetsAt: z.number().positive().max(32_503_680_000).optional(),
  rateLimitType: z.string().optional(),
});

export const claudeEvent = z.union([
  z.object({
    type: z.literal('system'),
    subtype: z.literal('init'),
    session_id: z.string().min(1),
    model: z.string(),
    claude_code_version: z.string().optional(),
  }),
  z.object({
    type: z.literal('system'),
    subtype: z.literal('api_retry'),
    attempt: z.number(),
    max_retries: z.number().optional(),
    retry_delay_ms: z.number().optional(),
    error_status: z.number().nullish(),
    error: apiError,
  }),
  z.object({
    type: z.literal('system'),
    subtype: z.literal('permission_denied'),
    tool_name: z.string(),
    message: z.string().optional(),
  }),
  z.object({ type: z.literal('system'), subtype: z.literal('vcs_state_changed'), kind: z.string() }),
  // Counters and states that say nothing to a reader of the log.
  z.object({
    type: z.literal('system'),
    subtype: z.enum(['thinking_tokens', 'status', 'task_progress', 'task_updated', 'background_tasks_changed']),
  }),
  z.object({
    type: z.literal('assistant'),
    message,
    parent_tool_use_id: z.string().nullish(),
    error: apiError.optional(),
    api_error_status: z.number().nullish(),
  }),
  z.object({ type: z.literal('user'), message, parent_tool_use_id: z.string().nullish() }),
  z.object({ type: z.literal('rate_limit_event'), rate_limit_info: rateLimit }),
  z.object({ type: z.literal('command_lifecycle'), command_uuid: z.string(), state: z.string() }),
  z.object({ type: z.literal('control_response') }),
  z.object({
    type: z.literal('result'),
    subtype: z.string(),
    is_error: z.boolean(),
    result: z.string().optional(),
    errors: z.array(z.string()).optional(),
    api_error: z.string().optional(),
    api_error_status: z.number().nullish(),
    terminal_reason: z.string().optional(),
    session_id: z.string().optional(),
    result_index: count.optional(),
    queued_turn_count: count.optional(),
    num_turns: count.optional(),
    model_usage_since_last_result: modelUsage.optional(),
  }),
]);
export type ClaudeEvent = z.output<typeof claudeEvent>;
export type ClaudeResultEvent = Extract<ClaudeEvent, { type: 'result' }>;
