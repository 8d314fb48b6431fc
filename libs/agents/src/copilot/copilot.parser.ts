import { unreachable, type Usage } from '@capstan/domain';
import type { ParsedLine, ParseState, ParseStep } from '../agent.port.js';
import { logLine } from '../cli/json-line.js';
import { readEvent } from '../cli/read-event.js';
import { oneLine, storableText } from '../storable.js';
import { copilotEvent, type CopilotEvent } from './copilot-events.schema.js';
import type { CopilotError, CopilotFacts } from './copilot.judgement.js';

type EventOf<Type extends CopilotEvent['type']> = Extract<CopilotEvent, { type: Type }>;

/** Reads one line of output. Never throws: what it doesn't know is kept as kind `unknown`. */
export function parseCopilot(state: ParseState, stream: 'stdout' | 'stderr', raw: string): ParseStep {
  return readEvent({ state, stream, raw }, copilotEvent, (before, event) => ({
    state: fold(inSession(before), event),
    lines: linesOf(before, event),
  }));
}

function fold(state: ParseState, event: CopilotEvent): ParseState {
  switch (event.type) {
    case 'assistant.turn_start': {
      // A turn after an error: Copilot got over it.
      const { error: _, ...facts }: CopilotFacts = state.facts;
      return { ...state, turns: (state.turns ?? 0) + 1, facts: { ...facts } };
    }
    case 'assistant.message':
      return withFacts(state, { unanswered: false });
    case 'assistant.usage':
      return { ...state, usage: added(state.usage, event) };
    case 'model.call_failure':
      return withFacts(state, { unanswered: event.data.failureKind === 'transport' });
    case 'session.error':
      return withFacts(state, { error: errorOf(event) });
    case 'result': {
      const session = storableText(event.sessionId);
      return { ...withFacts(state, { exitCode: event.exitCode, session }), session };
    }
    default:
      return state;
  }
}

/** A run that goes on from a session has it from its first event on: it may be killed before the line that names it. */
function inSession(state: ParseState): ParseState {
  const { session }: CopilotFacts = state.facts;
  return session === undefined ? state : { ...state, session };
}

function withFacts(state: ParseState, facts: Partial<CopilotFacts>): ParseState {
  return { ...state, facts: { ...state.facts, ...facts } };
}

function errorOf({ data }: EventOf<'session.error'>): CopilotError {
  const { errorType, errorCode, statusCode, message } = data;
  return {
    type: oneLine(errorType),
    ...(errorCode !== undefined && { code: oneLine(errorCode) }),
    ...(statusCode !== undefined && { status: statusCode }),
    message: oneLine(message),
  };
}

/** Each call of the model counts for itself. No dollars: Copilot counts in requests of its plan. */
function added(usage: Usage | undefined, { data }: EventOf<'assistant.usage'>): Usage {
  const { cacheReadTokens, cacheWriteTokens } = data;
  return {
    model: storableText(data.model),
    inputTokens: (usage?.inputTokens ?? 0) + Math.max(0, data.inputTokens - cacheReadTokens - cacheWriteTokens),
    outputTokens: (usage?.outputTokens ?? 0) + data.outputTokens,
    cacheReadTokens: (usage?.cacheReadTokens ?? 0) + cacheReadTokens,
    cacheWriteTokens: (usage?.cacheWriteTokens ?? 0) + cacheWriteTokens,
  };
}

function linesOf(state: ParseState, event: CopilotEvent): readonly ParsedLine[] {
  switch (event.type) {
    case 'user.message':
      // The prompt comes back whole, and may be long; everybody who reads the log has it.
      return [logLine('system', 'The prompt arrived', { characters: event.data.content.length })];
    case 'assistant.message':
      return event.data.content === '' ? [] : [logLine('text', event.data.content)];
    case 'assistant.reasoning':
      return [logLine('thinking', event.data.content)];
    case 'assistant.usage':
      return [logLine('usage', '', { ...added(state.usage, event), priceKnown: false })];
    case 'tool.execution_start': {
      const { toolName: tool, toolCallId: id, arguments: input } = event.data;
      return [logLine('tool_use', tool, { tool, id, input })];
    }
    case 'tool.execution_complete':
      return [toolResult(event)];
    case 'model.call_failure': {
      const { statusCode, errorMessage, retryAttempt, failureKind } = event.data;
      const text = errorMessage ?? `The provider failed${statusCode === undefined ? '' : ` with ${statusCode}`}`;
      const data = { status: statusCode, attempt: retryAttempt, failure: failureKind };
      return [logLine(statusCode === 429 ? 'rate_limited' : 'error', text, data)];
    }
    case 'session.info':
    case 'session.warning':
      return [logLine('system', event.data.message)];
    case 'session.error': {
      const { type, code, status } = errorOf(event);
      return [logLine('error', event.data.message, { type, code, status })];
    }
    case 'result':
      return resultLines(state, event);
    case 'assistant.turn_start':
    case 'quiet':
      return [];
    default:
      return unreachable(event);
  }
}

function toolResult({ data }: EventOf<'tool.execution_complete'>): ParsedLine {
  const exit = data.shellExecution?.exitCode;
  const isError = !data.success || (exit !== undefined && exit !== 0);
  const text = data.result?.content ?? data.error?.message ?? '';
  return logLine('tool_result', text, { id: data.toolCallId, isError, exit });
}

function resultLines({ usage }: ParseState, event: EventOf<'result'>): readonly ParsedLine[] {
  const ok = event.exitCode === 0;
  const { premiumRequests } = event.usage ?? {};
  return [
    logLine('usage', '', { ...usage, premiumRequests, priceKnown: false }),
    logLine('result', ok ? 'Done' : 'Failed', { ok, session: event.sessionId }),
  ];
}
