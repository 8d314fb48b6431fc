import { unreachable, type Usage } from '@capstan/domain';
import { z } from 'zod';
import type { ParsedLine, ParseState, ParseStep } from '../agent.port.js';
import type { CliSettings } from '../cli/cli-settings.schema.js';
import { jsonObject, logLine } from '../cli/json-line.js';
import { providerUnavailable } from '../judge-exit.js';
import { oneLine, storable } from '../storable.js';
import { STREAM_RETRIES } from './codex-config.js';
import { codexEvent, type CodexEvent, type CodexItem, type CodexUsage } from './codex-events.schema.js';
import type { CodexFacts, TokenTotals } from './codex.judgement.js';
import { costOf } from './codex-prices.js';

const NONE: TokenTotals = { fresh: 0, cached: 0, cacheWrite: 0, output: 0 };
/** Tools at work at once that are remembered. More only cost the later ones their place, and a line of the log. */
const MOST_OPEN = 100;
/**
 * Codex counts its retries and then gives up with one `error` more, except that it waits for a network without end. So
 * one error beyond that in a row is such a wait. A turn that gives up by itself never gets there.
 */
const HOPELESS_ERRORS = STREAM_RETRIES + 2;

const tokens = z.number().int().nonnegative();
const formerFacts = z.object({
  thread: z.string(),
  total: z.object({ fresh: tokens, cached: tokens, cacheWrite: tokens, output: tokens }),
});

/** @param former facts of the run whose thread this one goes on from; undefined for one that starts a thread. */
export function initialCodex({ model, baseUrl }: CliSettings, former?: ParseState['facts']): ParseState {
  const known = formerFacts.safeParse(former);
  const facts: CodexFacts = {
    model: model ?? 'unknown',
    listPrice: baseUrl === undefined,
    resumed: former !== undefined,
    started: false,
    ...(known.success && { thread: known.data.thread }),
    before: known.success ? known.data.total : NONE,
    total: known.success ? known.data.total : NONE,
    errorsInRow: 0,
    open: [],
  };
  return { facts: { ...facts } };
}

/** Reads one line of output. Never throws: what it doesn't know is kept as kind `unknown`. */
export function parseCodex(state: ParseState, stream: 'stdout' | 'stderr', raw: string): ParseStep {
  if (stream === 'stderr') return { state: heard(state, oneLine(raw)), lines: [logLine('stderr', raw)] };
  if (raw.trim() === '') return { state, lines: [] };
  const json = jsonObject(raw);
  if (json === undefined) return { state, lines: [logLine('text', raw)] };
  const event = codexEvent.safeParse(json);
  // Whatever it is, the agent is past its errors.
  if (!event.success) return { state: withFacts(state, { errorsInRow: 0 }), lines: [logLine('unknown', raw)] };
  const next = fold(state, event.data);
  return { state: next, lines: linesOf(event.data, raw, factsOf(state), next) };
}

function factsOf(state: ParseState): CodexFacts {
  return state.facts as unknown as CodexFacts;
}

function withFacts(state: ParseState, facts: Partial<CodexFacts>): ParseState {
  return { ...state, facts: { ...state.facts, ...facts } };
}

/**
 * A thread that can't be resumed leaves one line on stderr and nothing else. So whoever speaks there before it has its
 * thread has none, until it says otherwise.
 */
function heard(state: ParseState, line: string): ParseState {
  if (line === '') return state;
  const { resumed, started } = factsOf(state);
  const next = withFacts(state, { lastStderr: line });
  return resumed && !started ? { ...next, session: '' } : next;
}

function fold(state: ParseState, event: CodexEvent): ParseState {
  const facts = factsOf(state);
  if (event.type === 'error') {
    const errorsInRow = facts.errorsInRow + 1;
    const next = withFacts(state, { errorsInRow });
    return errorsInRow < HOPELESS_ERRORS || state.hopeless !== undefined
      ? next
      : { ...next, hopeless: providerUnavailable(event.message) };
  }
  const calm = withFacts(state, { errorsInRow: 0 });
  switch (event.type) {
    case 'thread.started': {
      const known = event.thread_id === facts.thread ? {} : { before: NONE, total: NONE };
      const started = withFacts(calm, { ...known, thread: event.thread_id, started: true });
      return { ...started, session: event.thread_id };
    }
    case 'turn.started':
    case 'item.updated':
      return calm;
    case 'item.started':
      return withFacts(calm, { open: [...facts.open, event.item.id].slice(-MOST_OPEN) });
    case 'item.completed':
      return withFacts(calm, { open: facts.open.filter((id) => id !== event.item.id) });
    case 'turn.completed':
      return counted(withFacts(calm, { result: { ok: true } }), totalsOf(event.usage));
    case 'turn.failed': {
      // The last error says why the turn failed; those before it were tries.
      const triedAgain = facts.errorsInRow > 1;
      return withFacts(calm, { result: { ok: false, message: oneLine(event.error.message), triedAgain } });
    }
    default:
      return unreachable(event);
  }
}

function totalsOf(usage: CodexUsage): TokenTotals {
  const { cached_input_tokens: cached, cache_write_input_tokens: cacheWrite, output_tokens: output } = usage;
  return { fresh: Math.max(0, usage.input_tokens - cached - cacheWrite), cached, cacheWrite, output };
}

/**
 * Codex counts over the whole thread, so the run's own part is the difference to what the thread had before it. Work
 * of a run that was broken off is told by none, and is in the next one's difference.
 */
function counted(state: ParseState, total: TokenTotals): ParseState {
  const { before: had, model, listPrice } = factsOf(state);
  const fell = (['fresh', 'cached', 'cacheWrite', 'output'] as const).some((each) => total[each] < had[each]);
  // A total that fell was counted anew.
  const before = fell ? NONE : had;
  const own: TokenTotals = {
    fresh: total.fresh - before.fresh,
    cached: total.cached - before.cached,
    cacheWrite: total.cacheWrite - before.cacheWrite,
    output: total.output - before.output,
  };
  const costUsd = listPrice ? costOf(model, own) : undefined;
  const usage: Usage = {
    model,
    inputTokens: own.fresh,
    outputTokens: own.output,
    cacheReadTokens: own.cached,
    cacheWriteTokens: own.cacheWrite,
    ...(costUsd !== undefined && { costUsd }),
  };
  return { ...withFacts(state, { before, total }), usage };
}

function linesOf(event: CodexEvent, raw: string, before: CodexFacts, after: ParseState): readonly ParsedLine[] {
  switch (event.type) {
    case 'thread.started':
      return [logLine('system', 'Session started', { session: event.thread_id })];
    case 'turn.started':
      return [logLine('system', 'Turn started')];
    case 'turn.completed': {
      const { usage } = after;
      const priceKnown = usage?.costUsd === undefined ? false : undefined;
      return [logLine('usage', '', { ...usage, priceKnown }), logLine('result', 'Done', { ok: true })];
    }
    case 'turn.failed':
      return [logLine('result', event.error.message, { ok: false })];
    case 'error':
      return [logLine('error', event.message)];
    case 'item.started':
      return startedLines(event.item, raw);
    case 'item.updated':
      return event.item.type === 'todo_list' ? [todoLine(event.item)] : [logLine('unknown', raw)];
    case 'item.completed':
      return completedLines(event.item, before.open.includes(event.item.id));
    default:
      return unreachable(event);
  }
}

function startedLines(item: CodexItem, raw: string): readonly ParsedLine[] {
  switch (item.type) {
    case 'command_execution':
    case 'file_change':
    case 'mcp_tool_call':
    case 'web_search':
      return [useLine(item)];
    case 'todo_list':
      return [todoLine(item)];
    case 'agent_message':
    case 'reasoning':
    case 'error':
      return [logLine('unknown', raw)]; // none of them takes time in what was seen of Codex
    default:
      return unreachable(item);
  }
}

function completedLines(item: CodexItem, announced: boolean): readonly ParsedLine[] {
  switch (item.type) {
    case 'agent_message':
      return [logLine('text', item.text)];
    case 'reasoning':
      return [logLine('thinking', item.text)];
    case 'error':
      return [logLine('error', item.message)]; // a warning, e.g. of a model that Codex doesn't know: it goes on
    case 'todo_list':
      return [todoLine(item)];
    case 'command_execution':
    case 'file_change':
    case 'mcp_tool_call':
    case 'web_search':
      return announced ? [resultLine(item)] : [useLine(item), resultLine(item)];
    default:
      return unreachable(item);
  }
}

type ToolItem = Extract<CodexItem, { type: 'command_execution' | 'file_change' | 'mcp_tool_call' | 'web_search' }>;

function useLine(item: ToolItem): ParsedLine {
  const [tool, input] = toolOf(item);
  return logLine('tool_use', tool, { tool, id: item.id, input });
}

function toolOf(item: ToolItem): readonly [tool: string, input: unknown] {
  switch (item.type) {
    case 'command_execution':
      return ['shell', { command: item.command }];
    case 'file_change':
      return ['file_change', { changes: item.changes }];
    case 'mcp_tool_call':
      return [`${item.server}.${item.tool}`, item.arguments];
    case 'web_search':
      return ['web_search', { query: item.query }];
    default:
      return unreachable(item);
  }
}

function resultLine(item: ToolItem): ParsedLine {
  const { id } = item;
  switch (item.type) {
    case 'command_execution': {
      const exitCode = item.exit_code ?? undefined;
      const isError = item.status !== 'completed' || (exitCode ?? 0) !== 0;
      return logLine('tool_result', item.aggregated_output, { id, isError, exitCode });
    }
    case 'file_change':
      return logLine('tool_result', '', { id, isError: item.status !== 'completed' });
    case 'mcp_tool_call': {
      const shown = [...(item.result?.content ?? []).map(contentText), item.error?.message ?? ''].filter(Boolean);
      return logLine('tool_result', shown.join('\n'), { id, isError: item.status !== 'completed' });
    }
    case 'web_search':
      return logLine('tool_result', '', { id, isError: false });
    default:
      return unreachable(item);
  }
}

/** The text of a block that an MCP server answered with; any other block as JSON. */
function contentText(block: unknown): string {
  const text = z.object({ text: z.string() }).safeParse(block);
  return text.success ? text.data.text : JSON.stringify(storable(block));
}

function todoLine({ id, items }: Extract<CodexItem, { type: 'todo_list' }>): ParsedLine {
  return logLine('tool_use', 'todo_list', { tool: 'todo_list', id, input: { items } });
}
