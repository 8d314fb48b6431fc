import { unreachable, type Usage } from '@capstan/domain';
import type { ParsedLine, ParseState, ParseStep } from '../agent.port.js';
import { dollars, logLine } from '../cli/json-line.js';
import { retryAfter } from '../cli/provider-status.js';
import { readEvent } from '../cli/read-event.js';
import { oneLine, storableText } from '../storable.js';
import { opencodeEvent, type OpencodeEvent } from './opencode-events.schema.js';
import type { OpencodeError, OpencodeFacts } from './opencode.judgement.js';

type EventOf<Type extends OpencodeEvent['type']> = Extract<OpencodeEvent, { type: Type }>;

/** Reads one line of output. Never throws: what it doesn't know is kept as kind `unknown`. */
export function parseOpencode(state: ParseState, stream: 'stdout' | 'stderr', raw: string): ParseStep {
  return readEvent({ state, stream, raw }, opencodeEvent, fold);
}

function fold(before: ParseState, event: OpencodeEvent): ParseStep {
  const state = { ...before, session: storableText(event.sessionID) };
  switch (event.type) {
    case 'step_start': {
      // A step after an error: OpenCode got over it.
      const { error: _, ...facts }: OpencodeFacts = state.facts;
      return { state: { ...state, turns: (state.turns ?? 0) + 1, facts: { ...facts } }, lines: [] };
    }
    case 'text':
      return { state, lines: [logLine('text', event.part.text)] };
    case 'reasoning':
      return { state, lines: [logLine('thinking', event.part.text)] };
    case 'tool_use':
      return { state, lines: toolLines(event) };
    case 'step_finish':
      return spent(state, event);
    case 'error':
      return failed(state, event);
    default:
      return unreachable(event);
  }
}

function toolLines({ part }: EventOf<'tool_use'>): readonly ParsedLine[] {
  const { tool, callID: id, state } = part;
  const exit = state.metadata?.exit;
  const isError = state.status === 'error' || (exit !== undefined && exit !== 0);
  return [
    logLine('tool_use', tool, { tool, id, input: state.input }),
    logLine('tool_result', state.output ?? state.error ?? '', { id, isError, exit }),
  ];
}

/** Steps count for themselves, so the run's usage is their sum. */
function spent(state: ParseState, { part }: EventOf<'step_finish'>): ParseStep {
  const { tokens } = part;
  const facts: OpencodeFacts = state.facts;
  const used = tokens.input + tokens.output + tokens.reasoning + tokens.cache.read + tokens.cache.write;
  const unpriced = facts.unpriced === true || (used > 0 && part.cost === 0);
  const cost = (facts.cost ?? 0) + part.cost;
  const costUsd = unpriced ? undefined : dollars(cost);
  const usage: Usage = {
    model: facts.model ?? 'unknown',
    inputTokens: (state.usage?.inputTokens ?? 0) + tokens.input,
    outputTokens: (state.usage?.outputTokens ?? 0) + tokens.output + tokens.reasoning,
    cacheReadTokens: (state.usage?.cacheReadTokens ?? 0) + tokens.cache.read,
    cacheWriteTokens: (state.usage?.cacheWriteTokens ?? 0) + tokens.cache.write,
    ...(costUsd !== undefined && { costUsd }),
  };
  return {
    state: { ...state, usage, facts: { ...facts, cost, unpriced } },
    lines: [logLine('usage', '', { ...usage, priceKnown: costUsd !== undefined })],
  };
}

function failed(state: ParseState, { error, timestamp }: EventOf<'error'>): ParseStep {
  const { name, data = {} } = error;
  const { message, statusCode: status, isRetryable: retryable, responseHeaders } = data;
  const header = responseHeaders?.['retry-after'];
  const resetAt = typeof header === 'string' ? retryAfter(header, timestamp) : undefined;
  const fact: OpencodeError = {
    name: oneLine(name),
    ...(status !== undefined && { status }),
    ...(retryable !== undefined && { retryable }),
    ...(message !== undefined && { message: oneLine(message) }),
    ...(resetAt !== undefined && { resetAt }),
  };
  return {
    state: { ...state, facts: { ...state.facts, error: fact } },
    lines: [logLine(status === 429 ? 'rate_limited' : 'error', message ?? name, { name, status, resetAt })],
  };
}
