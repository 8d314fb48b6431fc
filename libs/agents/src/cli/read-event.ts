import type { z } from 'zod';
import type { ParseState, ParseStep } from '../agent.port.js';
import { oneLine } from '../storable.js';
import { jsonObject, logLine } from './json-line.js';

/**
 * Reads a line of a CLI that prints one JSON event per line. What is no such event becomes a line of the log as it is:
 * stderr (its last words also go into `facts.lastStderr`), text where there is no JSON, `unknown` where `schema` knows
 * none such. `fold` gets the rest. Never throws.
 */
export function readEvent<Event>(
  { state, stream, raw }: { readonly state: ParseState; readonly stream: 'stdout' | 'stderr'; readonly raw: string },
  schema: z.ZodType<Event>,
  fold: (state: ParseState, event: Event) => ParseStep,
): ParseStep {
  if (stream === 'stderr') {
    const lastStderr = oneLine(raw);
    return {
      state: lastStderr === '' ? state : { ...state, facts: { ...state.facts, lastStderr } },
      lines: [logLine('stderr', raw)],
    };
  }
  if (raw.trim() === '') return { state, lines: [] };
  const json = jsonObject(raw);
  if (json === undefined) return { state, lines: [logLine('text', raw)] };
  const event = schema.safeParse(json);
  return event.success ? fold(state, event.data) : { state, lines: [logLine('unknown', raw)] };
}
