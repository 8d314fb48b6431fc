import { backoffMs, errorText } from '@capstan/domain';
import type { Logger } from '../telemetry/logger.js';
import { inSpan, unrecorded } from '../telemetry/tracing.js';
import { coalesce } from './coalesce.js';

export interface ResyncOptions<Row> {
  /** Shown in the log, e.g. `place`. */
  readonly name: string;
  readonly logger: Logger;
  /** Time between two passes, jittered by a quarter. Default 10 s. ms */
  readonly everyMs?: number;
  /** Rows of one pass, at most. Default 100. */
  readonly limit?: number;
  /** Rows that should be looked at now: not parked, `not_before` past, not in another replica's hands. */
  readonly due: (limit: number) => Promise<readonly Row[]>;
  /** The same verb that an event would wake. What it throws is logged; the other rows are still handled. */
  readonly handle: (row: Row) => Promise<void>;
  /** Rows handled at the same time. Default 1. */
  readonly concurrency?: number;
  /** See {@link EveryOptions.quietMs}: a pass without due rows has found nothing. */
  readonly quietMs?: number;
}

/**
 * What a pass came to: `nothing` lets the loop look less often, until it finds something or is woken; `withinMs` is how
 * soon it will have to look again, if that is sooner than its own pace.
 */
export type Found = void | 'nothing' | { readonly withinMs: number };

export interface Loop {
  /** Runs a pass now, or one more after the present one; resolves when it ended. Never rejects. */
  wake(): Promise<void>;
  /** No pass begins any more; resolves when the present one ended. */
  close(): Promise<void>;
}

/** Longest wait after passes that failed, if the loop's own isn't longer: after an outage all is level soon. ms */
const MAX_BACKOFF_MS = 5_000;

/**
 * Calls a verb on due rows again and again, so that nothing depends on an event's arrival. Never two passes at once;
 * a pass that can't even read backs off.
 */
export function resync<Row>(options: ResyncOptions<Row>): Loop {
  const { name, logger, limit = 100, due, handle, concurrency = 1 } = options;
  return everyLoop({
    name,
    logger,
    everyMs: options.everyMs ?? 10_000,
    ...(options.quietMs === undefined ? {} : { quietMs: options.quietMs }),
    pass: async (stopped) => {
      const rows = [...(await due(limit))];
      if (rows.length === 0) return 'nothing';
      const lane = async (): Promise<void> => {
        for (let row = rows.shift(); row !== undefined && !stopped(); row = rows.shift()) {
          try {
            await inSpan(`resync ${name}`, { traceparent: null }, () => handle(row));
          } catch (error) {
            logger.warn({ err: error, loop: name }, `${name} failed for a row: ${errorText(error)}`);
          }
        }
      };
      await Promise.all(Array.from({ length: concurrency }, lane));
      return undefined;
    },
  });
}

export interface EveryOptions {
  readonly name: string;
  readonly logger: Logger;
  /** Jittered by a quarter. ms */
  readonly everyMs: number;
  /** Longest wait while passes find nothing; the wait doubles up to it. Default: `everyMs`. ms */
  readonly quietMs?: number;
  /** `stopped` turns true when the loop is being closed. */
  readonly pass: (stopped: () => boolean) => Promise<Found>;
}

/** Runs `pass` first at once, then each `everyMs`: never two at a time, failures logged and backed off. */
export function everyLoop({ name, logger, everyMs, quietMs = everyMs, pass }: EveryOptions): Loop {
  let closed = false;
  let failures = 0;
  let wait = everyMs;
  let withinMs = Infinity;
  let timer: NodeJS.Timeout | undefined;
  const once = coalesce(async () => {
    if (closed) return;
    clearTimeout(timer);
    try {
      const found = await unrecorded(() => pass(() => closed));
      wait = found === 'nothing' ? Math.min(wait * 2, Math.max(everyMs, quietMs)) : everyMs;
      withinMs = typeof found === 'object' ? Math.max(0, found.withinMs) : Infinity;
      if (failures > 0) logger.info({ loop: name }, `${name} works again`);
      failures = 0;
    } catch (error) {
      failures += 1;
      wait = everyMs;
      withinMs = Infinity;
      // The first failure is news; the following ones only say the same again.
      logger[failures === 1 ? 'warn' : 'debug']({ err: error, loop: name }, `${name} failed: ${errorText(error)}`);
    }
    schedule();
  });
  const schedule = (): void => {
    if (closed) return;
    const pause = Math.min(withinMs, wait * (0.75 + Math.random() / 2));
    const next =
      failures === 0
        ? pause
        : backoffMs(failures, Math.random(), { baseMs: pause, maxMs: Math.max(MAX_BACKOFF_MS, everyMs) });
    timer = setTimeout(() => void once(), next);
  };
  void once();
  return {
    wake: () => {
      wait = everyMs / 2;
      return once();
    },
    close: async () => {
      closed = true;
      clearTimeout(timer);
      await once();
    },
  };
}
