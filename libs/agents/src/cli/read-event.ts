import type { z } from 'zod';
import type { ParseState, ParseStep } from '../agent.port.js';
import { oneLine } from '../storable.js';
import { jsonObject, logLine } from './json-line.js';

/** Facts of a CLI that prints one JSON event per line. */
export interface EventFacts {
  /** The run was to go on from an earlier session. */
  readonly resumed?: boolean;
  /** The CLI has printed an event: it found its session, or has begun one. */
  readonly begun?: boolean;
  /** Last non-empty line of stderr, for the detail of a failure; nothing is decided by it. */
  readonly lastStderr?: string;
}

/**
 * Reads a line of a CLI that prints one JSON event per line. What is no such event becomes a line of the log as it is:
 * stderr, text where there is no JSON, `unknown` where `schema` knows none such. `fold` gets the rest. Never throws.
 *
 * A session that is gone leaves words on stderr and nothing else. So a run that was to go on from one and speaks there
 * before any event has none, until an event says otherwise.
 */
export function readEvent<Event>(
  { state, stream, raw }: { readonly state: ParseState; readonly stream: 'stdout' | 'stderr'; readonly raw: string },
  schema: z.ZodType<Event>,
  fold: (state: ParseState, event: Event) => ParseStep,
): ParseStep {
  if (stream === 'stderr') return { state: heard(state, oneLine(raw)), lines: [logLine('stderr', raw)] };
  if (raw.trim() === '') return { state, lines: [] };
  const json = jsonObject(raw);
  if (json === undefined) return { state, lines: [logLine('text', raw)] };
  const begun: ParseState = { ...state, facts: { ...state.facts, begun: true } };
  const event = schema.safeParse(json);
  return event.success ? fold(begun, event.data) : { state: begun, lines: [logLine('unknown', raw)] };
}

function heard(state: ParseState, lastStderr: string): ParseState {
  if (lastStderr === '') return state;
  const { resumed, begun }: EventFacts = state.facts;
  return {
    ...state,
    ...(resumed === true && begun !== true && { session: '' }),
    facts: { ...state.facts, lastStderr },
  };
}
