import { z } from 'zod';

const text = z.string();
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

/** What Codex says of the tokens of a thread, over all its runs so far. Cached and written ones are among the input. */
const usage = z.object({
  input_tokens: count,
  cached_input_tokens: count.default(0),
  cache_write_input_tokens: count.default(0),
  output_tokens: count,
});

const item = z.discriminatedUnion('type', [
  z.object({ type: z.literal('agent_message'), id: text, text }),
  z.object({ type: z.literal('reasoning'), id: text, text }),
  z.object({ type: z.literal('error'), id: text, message: text }),
  z.object({
    type: z.literal('command_execution'),
    id: text,
    command: text,
    aggregated_output: text.default(''),
    exit_code: z.number().int().nullish(),
    status: text,
  }),
  z.object({ type: z.literal('file_change'), id: text, changes: z.array(z.unknown()), status: text }),
  z.object({
    type: z.literal('mcp_tool_call'),
    id: text,
    server: text,
    tool: text,
    arguments: z.unknown().optional(),
    result: z.object({ content: z.array(z.unknown()).default([]) }).nullish(),
    error: z.object({ message: text }).nullish(),
    status: text,
  }),
  z.object({ type: z.literal('web_search'), id: text, query: text }),
  z.object({
    type: z.literal('todo_list'),
    id: text,
    items: z.array(z.object({ text, completed: z.boolean() })),
  }),
]);

/** One line of `codex exec --json`. Members that nobody reads pass unseen. */
export const codexEvent = z.discriminatedUnion('type', [
  // Never the look of an option: the id becomes an argument of the next run's command line.
  z.object({ type: z.literal('thread.started'), thread_id: text.regex(/^[A-Za-z0-9][\w-]{0,99}$/) }),
  z.object({ type: z.literal('turn.started') }),
  z.object({ type: z.literal('turn.completed'), usage }),
  z.object({ type: z.literal('turn.failed'), error: z.object({ message: text }) }),
  z.object({ type: z.literal('error'), message: text }),
  z.object({ type: z.literal('item.started'), item }),
  z.object({ type: z.literal('item.updated'), item }),
  z.object({ type: z.literal('item.completed'), item }),
]);

export type CodexEvent = z.output<typeof codexEvent>;
export type CodexItem = z.output<typeof item>;
export type CodexUsage = z.output<typeof usage>;
