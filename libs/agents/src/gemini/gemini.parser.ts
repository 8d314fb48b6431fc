import { unreachable, type Usage } from '@capstan/domain';
import type { ParsedLine, ParseState, ParseStep } from '../agent.port.js';
import { dollars, jsonObject, logLine } from '../cli/json-line.js';
import { secondsAfter } from '../cli/provider-status.js';
import { readEvent } from '../cli/read-event.js';
import { oneLine, storableText } from '../storable.js';
import {
  geminiApiError,
  geminiEvent,
  type GeminiApiError,
  type GeminiEvent,
  type GeminiTokens,
} from './gemini-events.schema.js';
import { geminiCost, outputTokens } from './gemini-prices.js';
import type { GeminiFacts, GeminiResult } from './gemini.judgement.js';

type ResultEvent = Extract<GeminiEvent, { type: 'result' }>;

/** Reads one line of output. Never throws: what it doesn't know is kept as kind `unknown`. */
export function parseGemini(state: ParseState, stream: 'stdout' | 'stderr', raw: string): ParseStep {
  return readEvent({ state, stream, raw }, geminiEvent, fold);
}

function fold(state: ParseState, event: GeminiEvent): ParseStep {
  switch (event.type) {
    case 'init': {
      const session = storableText(event.session_id);
      const model = storableText(event.model);
      return {
        state: { ...withFacts(state, { model }), session },
        lines: [logLine('system', `Session started with ${model}`, { session, model })],
      };
    }
    case 'message':
      // The prompt comes back whole, and may be long; everybody who reads the log has it.
      if (event.role === 'user')
        return { state, lines: [logLine('system', 'The prompt arrived', { characters: event.content.length })] };
      return { state: inTurn(state), lines: [logLine('text', event.content, { delta: event.delta })] };
    case 'tool_use': {
      const { tool_name: tool, tool_id: id, parameters: input } = event;
      return { state: inTurn(state), lines: [logLine('tool_use', tool, { tool, id, input })] };
    }
    case 'tool_result': {
      const { tool_id: id, status, output, error } = event;
      return {
        state: withFacts(state, { inTurn: false }),
        lines: [logLine('tool_result', output ?? error?.message ?? '', { id, isError: status === 'error' })],
      };
    }
    case 'error':
      return { state, lines: [logLine('error', event.message, { severity: event.severity })] };
    case 'result':
      return ended(state, event);
    default:
      return unreachable(event);
  }
}

function withFacts(state: ParseState, facts: Partial<GeminiFacts>): ParseState {
  return { ...state, facts: { ...state.facts, ...facts } };
}

/** What the model says and calls is one turn, till a tool has answered. */
function inTurn(state: ParseState): ParseState {
  const facts: GeminiFacts = state.facts;
  if (facts.inTurn === true) return state;
  return { ...withFacts(state, { inTurn: true }), turns: (state.turns ?? 0) + 1 };
}

function ended(state: ParseState, event: ResultEvent): ParseStep {
  const result = resultOf(event);
  const usage = usageOf(state, event);
  const shown = [
    ...(result.resetAt === undefined
      ? []
      : [logLine('rate_limited', result.message || 'Rate limited', { resetAt: result.resetAt })]),
    ...(usage === undefined ? [] : [usageLine(usage)]),
    logLine('result', result.message || (result.ok ? 'Done' : 'Failed'), { ok: result.ok, status: result.status }),
  ];
  return { state: { ...withFacts(state, { result }), ...(usage && { usage }) }, lines: shown };
}

function resultOf({ status, timestamp, error }: ResultEvent): GeminiResult {
  if (error === undefined) return { ok: status === 'success' };
  const api = apiErrorOf(error.message);
  const delay = api?.details.find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay;
  const resetAt = delay === undefined ? undefined : secondsAfter(Date.parse(timestamp), secondsOf(delay));
  const reasons = (api?.details ?? []).flatMap(({ reason }) => (reason === undefined ? [] : [oneLine(reason)]));
  return {
    ok: status === 'success',
    type: oneLine(error.type),
    message: oneLine(api?.message || error.message),
    ...(api?.code !== undefined && { status: api.code }),
    ...(reasons.length > 0 && { reasons }),
    ...(resetAt !== undefined && { resetAt }),
  };
}

/** Google writes spans of time as `34s` or `1.5s`. */
function secondsOf(span: string): number {
  return /^\d{1,9}(\.\d+)?s$/.test(span) ? Number(span.slice(0, -1)) : Number.NaN;
}

const WRAPPED = /^\[API Error: (\{.*\})\]$/s;

/** The API's answer inside the CLI's message, or inside itself where the client has wrapped it once more. */
function apiErrorOf(message: string): GeminiApiError | undefined {
  const outer = errorIn(WRAPPED.exec(message)?.[1] ?? '');
  return outer === undefined ? undefined : (errorIn(outer.message) ?? outer);
}

function errorIn(text: string): GeminiApiError | undefined {
  const parsed = geminiApiError.safeParse(jsonObject(text));
  return parsed.success ? parsed.data.error : undefined;
}

/** Only the result has it, of this run alone, by model. */
function usageOf({ facts }: ParseState, { stats }: ResultEvent): Usage | undefined {
  if (stats === undefined) return undefined;
  const { model: named = 'unknown', foreign }: GeminiFacts = facts;
  const models = Object.entries(stats.models);
  const costs = models.map(([model, tokens]) => geminiCost(model, tokens));
  const cost = costs.reduce<number | undefined>(
    (sum, each) => (sum === undefined || each === undefined ? undefined : sum + each),
    0,
  );
  const costUsd = cost === undefined || foreign === true || models.length === 0 ? undefined : dollars(cost);
  return {
    model: storableText(mostUsed(models) ?? named),
    inputTokens: stats.input,
    outputTokens: outputTokens(stats),
    cacheReadTokens: stats.cached,
    cacheWriteTokens: 0,
    ...(costUsd !== undefined && { costUsd }),
  };
}

function mostUsed(models: readonly (readonly [string, GeminiTokens])[]): string | undefined {
  return models
    .toSorted(([, a], [, b]) => b.total_tokens - a.total_tokens)
    .find(([, used]) => used.total_tokens > 0)?.[0];
}

function usageLine(usage: Usage): ParsedLine {
  return logLine('usage', '', { ...usage, priceKnown: usage.costUsd !== undefined });
}
