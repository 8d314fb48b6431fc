import { PROCESS_LIFE } from './tracing.js';

const LEVELS: Readonly<Record<string, string>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info ',
  warn: 'WARN ',
  error: 'ERROR',
  fatal: 'FATAL',
};
const COLOURS: Readonly<Record<string, number>> = { trace: 90, debug: 90, info: 36, warn: 33, error: 31, fatal: 31 };

/** One JSON log line for a person: `12:00:00.123 info  scheduler  placed taskId=…`. */
export function formatText(line: string, colour: boolean): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { time, level, message, service, err, error, span_id: _span, ...all } = fields;
  const rest = withoutNoise(all);
  const paint = (text: string, code: number) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const name = String(level ?? 'info');
  const head = `${paint(String(time ?? '').slice(11, 23), 90)} ${paint(LEVELS[name] ?? name, COLOURS[name] ?? 0)}`;
  const pairs = Object.entries(rest).map(([key, value]) => paint(`${key}=${show(value)}`, 90));
  const text = [head, service ? paint(String(service).padEnd(12), 35) : '', String(message ?? ''), ...pairs]
    .filter(Boolean)
    .join(' ');
  return `${text}${failure(err ?? error)}\n`;
}

/** Ids that tell a person nothing: the process's own, and a request's that only repeats the trace's. */
function withoutNoise(fields: Record<string, unknown>): Record<string, unknown> {
  const { request_id: requestId, trace_id: traceId, ...others } = fields;
  return {
    ...(requestId === undefined || requestId === traceId ? {} : { request_id: requestId }),
    ...(traceId === undefined || traceId === PROCESS_LIFE.traceId ? {} : { trace_id: traceId }),
    ...others,
  };
}

function failure(error: unknown): string {
  if (error === undefined || error === null) return '';
  if (typeof error !== 'object') return `\n    ${show(error)}`;
  const { message, remedy, stack } = error as Record<string, unknown>;
  return [stack ?? message, remedy]
    .filter((each): each is string => typeof each === 'string')
    .map((each) => `\n    ${each.replaceAll('\n', '\n    ')}`)
    .join('');
}

function show(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
}
