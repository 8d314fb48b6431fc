/** The one vocabulary into which every agent's output is parsed. */
export const LOG_KINDS = [
  'text',
  'thinking',
  'tool_use',
  'tool_result',
  'usage',
  'rate_limited',
  'permission_denied',
  'error',
  'result',
  'system',
  'stderr',
  'unknown',
] as const;
export type LogKind = (typeof LOG_KINDS)[number];

/** One line of a run's log. `sequence` counts from 1 without a gap, in the journal's order. */
export interface LogLine {
  readonly sequence: number;
  /** ISO 8601 with milliseconds: when the supervisor read it. */
  readonly at: string;
  readonly kind: LogKind;
  readonly text: string;
  /** Structured facts, e.g. `{tool, id, input}` of a tool_use; `{id, isError}` of a tool_result. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** What a run has used, cumulative over the run. */
export interface Usage {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  /** US dollars as a decimal string; undefined when the model's price is unknown. */
  readonly costUsd?: string;
}
