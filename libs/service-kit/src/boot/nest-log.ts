import type { LoggerService } from '@nestjs/common';
import type { Logger } from '../telemetry/logger.js';

/** Nest's own lines in the service's log; its chatter at start is only there at level debug. */
export class NestLog implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.logger.debug(fields(rest), text(message));
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.logger.trace(fields(rest), text(message));
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.logger.trace(fields(rest), text(message));
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.logger.warn(fields(rest), text(message));
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.logger.error({ ...fields(rest), ...(message instanceof Error ? { err: message } : {}) }, text(message));
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.logger.fatal(fields(rest), text(message));
  }
}

/** Nest passes the name of what speaks last. */
function fields(rest: readonly unknown[]): Record<string, unknown> {
  const last = rest.at(-1);
  return typeof last === 'string' && last.length < 80 && !last.includes('\n') ? { nest: last } : {};
}

function text(message: unknown): string {
  if (message instanceof Error) return message.message;
  return typeof message === 'string' ? message : JSON.stringify(message);
}
