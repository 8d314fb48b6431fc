import { unreachable, type Usage } from '@capstan/domain';
import type { ParsedLine, ParseState, ParseStep } from '../agent.port.js';
import { dollars, jsonObject, logLine } from '../cli/json-line.js';
import { credentialRefused } from '../judge-exit.js';
import { oneLine, storableText } from '../storable.js';
import {
  claudeBlock,
  claudeEvent,
  type ClaudeEvent,
  type ClaudeResultEvent,
  type ModelUsage,
} from './claude-events.schema.js';
import { isCredentialError, type ClaudeFacts, type ClaudeResult } from './claude.judgement.js';

/** Reads one line of output. Never throws: what it doesn't know is kept as kind `unknown`. */
export function parseClaude(state: ParseState, stream: 'stdout' | 'stderr', raw: string): ParseStep {
  if (stream === 'stderr') {
    const lastStderr = oneLine(raw);
    const next = lastStderr === '' ? state : withFacts(state, { lastStderr });
    return { state: next, lines: [logLine('stderr', raw)] };
  }
  if (raw.trim() === '') return { state, lines: [] };
  const json = jsonObject(raw);
  if (json === undefined) return { state, lines: [logLine('text', raw)] };
  const event = claudeEvent.safeParse(json);
  if (!event.success) return { state, lines: [logLine('unknown', raw)] };
  return { state: fold(state, event.data), lines: linesOf(event.data) };
}

function withFacts(state: ParseState, facts: Partial<ClaudeFacts>): ParseState {
  return { ...state, facts: { ...state.facts, ...facts } };
}

function linesOf(event: ClaudeEvent): readonly ParsedLine[] {
  switch (event.type) {
    case 'system':
      return systemLines(event);
    case 'assistant':
    case 'user':
      return messageLines(event);
    case 'rate_limit_event': {
      const { status, resetsAt, rateLimitType } = event.rate_limit_info;
      if (status === 'allowed') return [];
      return [
        logLine('rate_limited', status === 'rejected' ? 'The limit is reached' : 'The limit is near', {
          status,
          window: rateLimitType,
          resetAt: isoTime(resetsAt),
        }),
      ];
    }
    case 'command_lifecycle':
      return [logLine('system', `Message ${event.state}`, { id: event.command_uuid })];
    case 'control_response':
      return [];
    case 'result':
      return resultLines(event);
    default:
      return unreachable(event);
  }
}

function systemLines(event: Extract<ClaudeEvent, { type: 'system' }>): readonly ParsedLine[] {
  switch (event.subtype) {
    case 'init':
      return [
        logLine('system', `Session started with ${event.model}`, {
          session: event.session_id,
          model: event.model,
          version: event.claude_code_version,
        }),
      ];
    case 'api_retry':
      return [
        logLine(
          event.error === 'rate_limit' ? 'rate_limited' : 'error',
          `The provider is asked again: ${event.error}`,
          {
            error: event.error,
            status: event.error_status,
            attempt: event.attempt,
            delayMs: event.retry_delay_ms,
          },
        ),
      ];
    case 'permission_denied':
      return [logLine('permission_denied', event.message ?? 'Permission denied', { tool: event.tool_name })];
    case 'vcs_state_changed':
      return [logLine('system', `The work tree changed: ${event.kind}`)];
    default:
      return [];
  }
}

function messageLines(event: Extract<ClaudeEvent, { type: 'assistant' | 'user' }>): readonly ParsedLine[] {
  const { content } = event.message;
  const failed = event.type === 'assistant' && event.error !== undefined;
  const within = event.parent_tool_use_id ?? undefined;
  if (typeof content === 'string') return [logLine(failed ? 'error' : 'text', content, { within })];
  return content.map((each) => blockLine(each, event.type, failed, within));
}

function blockLine(raw: unknown, from: 'assistant' | 'user', failed: boolean, within: string | undefined): ParsedLine {
  const block = claudeBlock.safeParse(raw);
  if (!block.success) return logLine('unknown', JSON.stringify(raw), { within });
  switch (block.data.type) {
    case 'text':
      // Text on the user's side is the CLI's own word to the model, or a person's message.
      return logLine(failed ? 'error' : from === 'user' ? 'system' : 'text', block.data.text, { within });
    case 'thinking':
      return logLine('thinking', block.data.thinking, { within });
    case 'tool_use': {
      const { id, name, input } = block.data;
      return logLine('tool_use', name, { tool: name, id, input, within });
    }
    case 'tool_result': {
      const { tool_use_id: id, content, is_error } = block.data;
      return logLine('tool_result', textOf(content), { id, isError: is_error ?? false, within });
    }
    default:
      return unreachable(block.data);
  }
}

/** Text of a tool's result, which is a string or a list of blocks. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return content === undefined || content === null ? '' : JSON.stringify(content);
  return content
    .map((each: unknown) =>
      typeof each === 'object' && each !== null && 'text' in each && typeof each.text === 'string'
        ? each.text
        : JSON.stringify(each),
    )
    .join('\n');
}

function resultLines(event: ClaudeResultEvent): readonly ParsedLine[] {
  const usage = event.model_usage_since_last_result ?? {};
  const spent = Object.entries(usage).map(([model, used]) =>
    logLine('usage', '', {
      model,
      inputTokens: used.inputTokens,
      outputTokens: used.outputTokens,
      cacheReadTokens: used.cacheReadInputTokens,
      cacheWriteTokens: used.cacheCreationInputTokens,
      ...(priceKnown(used) ? { costUsd: dollars(used.costUSD ?? 0) } : { priceKnown: false }),
    }),
  );
  const text = event.result ?? event.errors?.join('\n') ?? (event.is_error ? 'Failed' : 'Done');
  return [
    ...spent,
    logLine('result', text, {
      ok: !event.is_error,
      reason: event.terminal_reason,
      status: event.api_error_status,
      turns: event.num_turns,
    }),
  ];
}

function fold(state: ParseState, event: ClaudeEvent): ParseState {
  switch (event.type) {
    case 'system':
      return foldSystem(state, event);
    case 'assistant': {
      const turned = countTurn(busy(state), event);
      return event.error === undefined ? turned : withFacts(turned, { apiError: event.error });
    }
    case 'user':
      return busy(state);
    case 'rate_limit_event': {
      const { status, resetsAt } = event.rate_limit_info;
      const resetAt = isoTime(resetsAt);
      return status === 'rejected' && resetAt !== undefined ? withFacts(state, { resetAt }) : state;
    }
    case 'command_lifecycle':
    case 'control_response':
      return state;
    case 'result':
      return foldResult(state, event);
    default:
      return unreachable(event);
  }
}

/** The agent does something: what it said of its end was not its last word. */
function busy(state: ParseState): ParseState {
  if (state.idle !== true) return state;
  const { idle: _, ...rest } = state;
  return rest;
}

function foldSystem(state: ParseState, event: Extract<ClaudeEvent, { type: 'system' }>): ParseState {
  if (event.subtype === 'init')
    return withFacts({ ...busy(state), session: storableText(event.session_id) }, { begun: true });
  if (event.subtype !== 'api_retry') return state;
  const failed = withFacts(state, { apiError: event.error });
  // The CLI would go on asking for minutes; no credential gets better by that.
  return isCredentialError(event.error) && state.hopeless === undefined
    ? { ...failed, hopeless: credentialRefused(`${event.error}, status ${event.error_status ?? 'unknown'}`) }
    : failed;
}

/** One answer of the model comes as one event per block, all with the same id. Subagents' answers don't count. */
function countTurn(state: ParseState, event: Extract<ClaudeEvent, { type: 'assistant' }>): ParseState {
  const { id } = event.message;
  const { lastMessage } = state.facts as ClaudeFacts;
  if (id === undefined || id === lastMessage || event.parent_tool_use_id || event.error !== undefined) return state;
  return withFacts({ ...state, turns: (state.turns ?? 0) + 1 }, { lastMessage: storableText(id) });
}

function foldResult(state: ParseState, event: ClaudeResultEvent): ParseState {
  const facts = state.facts as ClaudeFacts;
  const index = event.result_index ?? 0;
  const usage = added(state.usage, event.model_usage_since_last_result ?? {});
  const billed: ParseState = usage === undefined ? state : { ...state, usage };
  if (facts.result !== undefined && facts.result.index > index) return billed;
  const message = event.result ?? event.errors?.join('; ');
  const result: ClaudeResult = {
    ok: !event.is_error,
    index,
    subtype: event.subtype,
    ...(event.terminal_reason !== undefined && { reason: event.terminal_reason }),
    ...(typeof event.api_error_status === 'number' && { status: event.api_error_status }),
    ...(message !== undefined && { message: oneLine(message) }),
  };
  const { apiError: _, ...kept } = facts;
  const judged: ParseState = { ...billed, facts: { ...(result.ok ? kept : facts), result } };
  // The session that was to be resumed isn't there: the next run begins a new one.
  if (!result.ok && event.subtype === 'error_during_execution' && facts.begun !== true)
    return { ...judged, session: '', idle: true };
  // An interrupted agent waits for the word that it was interrupted for.
  const waits = (event.queued_turn_count ?? 0) > 0 || event.terminal_reason?.startsWith('aborted') === true;
  return waits ? busy(judged) : { ...judged, idle: true };
}

/**
 * The run's usage with what was used since the last result. The CLI's totals are a session's, over all the runs that it
 * was resumed in; only this difference is the run's own.
 */
function added(before: Usage | undefined, used: ModelUsage): Usage | undefined {
  const models = Object.entries(used);
  if (models.length === 0) return before;
  const [main] = models.reduce((most, each) => (weight(each[1]) > weight(most[1]) ? each : most));
  const sum = (of: (each: ModelUsage[string]) => number) => models.reduce((total, [, each]) => total + of(each), 0);
  const known = models.every(([, each]) => priceKnown(each)) && (before === undefined || before.costUsd !== undefined);
  const costUsd = known ? dollars(Number(before?.costUsd ?? 0) + sum((each) => each.costUSD ?? 0)) : undefined;
  return {
    model: storableText(before?.model ?? main).slice(0, 200) || 'unknown',
    inputTokens: (before?.inputTokens ?? 0) + sum((each) => each.inputTokens),
    outputTokens: (before?.outputTokens ?? 0) + sum((each) => each.outputTokens),
    cacheReadTokens: (before?.cacheReadTokens ?? 0) + sum((each) => each.cacheReadInputTokens),
    cacheWriteTokens: (before?.cacheWriteTokens ?? 0) + sum((each) => each.cacheCreationInputTokens),
    ...(costUsd !== undefined && { costUsd }),
  };
}

function weight({ inputTokens, outputTokens }: ModelUsage[string]): number {
  return inputTokens + outputTokens;
}

function priceKnown({ costUSD, costBasis }: ModelUsage[string]): boolean {
  return costUSD !== undefined && costBasis !== 'unknown';
}

function isoTime(unixSeconds: number | undefined): string | undefined {
  return unixSeconds === undefined ? undefined : new Date(unixSeconds * 1_000).toISOString();
}
