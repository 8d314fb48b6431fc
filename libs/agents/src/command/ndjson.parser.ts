import type { Usage } from '@capstan/domain';
import { z } from 'zod';
import type { ParsedLine, ParseState } from '../agent.port.js';
import { oneLine, storable, storableText } from '../storable.js';

const text = z.string();
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const isoTime = z.iso.datetime({ offset: true });
/** Names of models are keys in the database, which takes no long ones. */
const modelName = text.min(1).max(200);
/** Below a million: what a run can't cost would only overflow the column that sums it up. */
const costUsd = z
  .union([z.string().regex(/^\d{1,6}(\.\d{1,12})?$/), z.number().nonnegative().max(999_999)])
  .transform((cost) => (typeof cost === 'string' ? cost : cost.toFixed(12).replace(/\.?0+$/, '')));

/** Kinds of a final error that the judge knows. */
export const RESULT_ERROR_KINDS = ['credential', 'rate_limit', 'limit', 'other'] as const;

const resultSchema = z.object({
  type: z.literal('result'),
  ok: z.boolean(),
  text: text.optional(),
  error: z
    .object({ kind: z.enum(RESULT_ERROR_KINDS).catch('other'), message: text.optional(), resetAt: isoTime.optional() })
    .optional(),
});

/** One line of Capstan's ndjson protocol; described for authors of agents in this project's README. */
const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text }),
  z.object({ type: z.literal('thinking'), text }),
  z.object({ type: z.literal('tool_use'), tool: text, id: text.optional(), input: z.unknown().optional() }),
  z.object({
    type: z.literal('tool_result'),
    id: text.optional(),
    text: text.optional(),
    isError: z.boolean().optional(),
  }),
  z.object({
    type: z.literal('usage'),
    model: modelName.optional(),
    inputTokens: count.optional(),
    outputTokens: count.optional(),
    cacheReadTokens: count.optional(),
    cacheWriteTokens: count.optional(),
    costUsd: costUsd.optional(),
    turns: count.optional(),
  }),
  z.object({ type: z.literal('rate_limited'), text: text.optional(), resetAt: isoTime.optional() }),
  z.object({ type: z.literal('permission_denied'), text: text.optional(), tool: text.optional() }),
  z.object({ type: z.literal('error'), text }),
  z.object({ type: z.literal('session'), id: text.min(1) }),
  resultSchema,
]);
type ProtocolLine = z.output<typeof lineSchema>;

/** What a run said of its own end. The last such line counts. */
export type CommandResult = Pick<z.output<typeof resultSchema>, 'ok' | 'error'>;

/** Reads one line of stdout. Never throws: what it doesn't know is kept as kind `unknown`. */
export function parseNdjson(state: ParseState, raw: string): { state: ParseState; lines: readonly ParsedLine[] } {
  if (raw.trim() === '') return { state, lines: [] };
  const line = lineSchema.safeParse(tryJson(raw));
  if (!line.success) return { state, lines: [{ kind: 'unknown', text: storableText(raw) }] };
  const { text: shown, data } = describe(line.data);
  const parsed: ParsedLine = {
    kind: line.data.type === 'session' ? 'system' : line.data.type,
    text: storableText(shown),
    ...(data && { data: storable(data) as Readonly<Record<string, unknown>> }),
  };
  return { state: fold(state, line.data), lines: [parsed] };
}

function tryJson(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined; // not JSON: the schema refuses it, and the caller keeps the line as `unknown`
  }
}

/** Text and facts of a line, as the log shows them. */
function describe(line: ProtocolLine): { text: string; data?: Record<string, unknown> } {
  switch (line.type) {
    case 'text':
    case 'thinking':
    case 'error':
      return { text: line.text };
    case 'tool_use':
      return { text: line.tool, data: given({ tool: line.tool, id: line.id, input: line.input }) };
    case 'tool_result':
      return { text: line.text ?? '', data: given({ id: line.id, isError: line.isError ?? false }) };
    case 'usage': {
      const { type: _, ...facts } = line;
      return { text: '', data: given(facts) };
    }
    case 'rate_limited':
      return { text: line.text ?? 'Rate limited', data: given({ resetAt: line.resetAt }) };
    case 'permission_denied':
      return { text: line.text ?? 'Permission denied', data: given({ tool: line.tool }) };
    case 'session':
      return { text: 'Session started', data: { session: line.id } };
    case 'result':
      return {
        text: line.text ?? line.error?.message ?? (line.ok ? 'Done' : 'Failed'),
        data: given({ ok: line.ok, error: line.error }),
      };
  }
}

function given(data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
}

function fold(state: ParseState, line: ProtocolLine): ParseState {
  switch (line.type) {
    case 'usage':
      return {
        ...state,
        usage: raised(state, line),
        ...(line.turns !== undefined && { turns: Math.max(state.turns ?? 0, line.turns) }),
      };
    case 'session':
      return { ...state, session: storableText(line.id) };
    case 'result': {
      const error = line.error && {
        ...line.error,
        ...(line.error.message !== undefined && { message: oneLine(line.error.message) }),
      };
      const result: CommandResult = { ok: line.ok, ...(error && { error }) };
      return { ...state, facts: { ...state.facts, result } };
    }
    case 'text':
    case 'thinking':
    case 'tool_use':
    case 'tool_result':
    case 'rate_limited':
    case 'permission_denied':
    case 'error':
      return state;
  }
}

/** Usage lines carry totals of the run so far, so a total only ever rises, and a repeated line changes nothing. */
function raised({ usage, facts }: ParseState, line: ProtocolLine & { type: 'usage' }): Usage {
  const configured = typeof facts['model'] === 'string' ? facts['model'] : 'unknown';
  const cost = [usage?.costUsd, line.costUsd].filter((each) => each !== undefined);
  const highest = cost.reduce<string | undefined>(
    (max, each) => (max === undefined || Number(each) > Number(max) ? each : max),
    undefined,
  );
  return {
    model: storableText(line.model ?? usage?.model ?? configured),
    inputTokens: Math.max(usage?.inputTokens ?? 0, line.inputTokens ?? 0),
    outputTokens: Math.max(usage?.outputTokens ?? 0, line.outputTokens ?? 0),
    cacheReadTokens: Math.max(usage?.cacheReadTokens ?? 0, line.cacheReadTokens ?? 0),
    cacheWriteTokens: Math.max(usage?.cacheWriteTokens ?? 0, line.cacheWriteTokens ?? 0),
    ...(highest !== undefined && { costUsd: highest }),
  };
}
