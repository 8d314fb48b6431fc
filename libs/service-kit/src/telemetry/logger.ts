import { Writable } from 'node:stream';
import { Bug, errorText } from '@capstan/domain';
import { pino, type Logger as PinoLogger } from 'pino';
import { REDACTED, redactMember, redactText } from './redact.js';
import { formatText } from './text-format.js';
import { traceFields } from './tracing.js';

/** Fields first, then the message: `logger.info({ taskId }, 'placed')`. */
export type Logger = PinoLogger;

export interface LoggerOptions {
  readonly format: 'json' | 'text';
  readonly level: string;
  /** Where lines go; standard output by default. */
  readonly write?: (line: string) => void;
  /** Values that are never written, e.g. the passwords of the configuration. */
  readonly secrets?: readonly string[];
  /** Colours in text. */
  readonly colour?: boolean;
}

/**
 * The root logger of a process. Every line carries request_id, trace_id and span_id where there are such; credentials
 * are taken out by the name of their member and by their form.
 */
export function openLogger({ format, level, write, secrets = [], colour = false }: LoggerOptions): Logger {
  const out = write ?? ((line: string) => void process.stdout.write(line));
  // Shorter ones would blank ordinary words.
  const known = secrets.filter((secret) => secret.length >= 8);
  const destination = new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      const line = known.reduce((text, secret) => text.replaceAll(secret, REDACTED), clean(String(chunk)));
      out(format === 'json' ? line : formatText(line, colour));
      done();
    },
  });
  return pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      mixin: () => traceFields(),
    },
    destination,
  );
}

/** Message, code and remedy. Never what a driver hangs onto its errors: queries, parameters, requests. */
export function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return errorText(error);
  const { code, remedy } = error as { code?: unknown; remedy?: unknown };
  const surprising = error instanceof Bug || !(typeof code === 'string');
  return {
    type: error.name,
    message: errorText(error),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof remedy === 'string' ? { remedy } : {}),
    ...(surprising && error.stack ? { stack: error.stack } : {}),
  };
}

function clean(line: string): string {
  try {
    return `${JSON.stringify(JSON.parse(line), (name, value: unknown) =>
      typeof value === 'string' ? redactMember(name, redactText(value)) : redactMember(name, value),
    )}\n`;
  } catch {
    return redactText(line);
  }
}
