import { errorText, TransientError } from '@capstan/domain';
import type { Logger } from '../telemetry/logger.js';

export interface WaitOptions {
  /** Completes "waiting for …". */
  readonly what: string;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
  /** Told why it still waits, for the health check. */
  readonly onWait: (why: Pick<TransientError, 'code' | 'message' | 'remedy'>) => void;
}

const RETRY_MS = 500;
/** The same line is written again after this. ms */
const REMIND_MS = 15_000;

/**
 * Tries `attempt` until it succeeds, as long as it fails with TransientError; anything else is thrown on.
 * Says at once, and again every 15 s, what it waits for.
 */
export async function waitFor<T>(options: WaitOptions, attempt: () => Promise<T>): Promise<T> {
  const { what, logger, signal, onWait } = options;
  const began = performance.now();
  let said = -Infinity;
  for (;;) {
    try {
      const result = await attempt();
      if (said > -Infinity) logger.info(`${what} is there after ${Math.round((performance.now() - began) / 1000)} s`);
      return result;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      onWait({ code: error.code, message: errorText(error), remedy: error.remedy });
      if (performance.now() - said > REMIND_MS) {
        said = performance.now();
        logger.warn({ code: error.code, reason: errorText(error), remedy: error.remedy }, `waiting for ${what}`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    signal?.throwIfAborted();
  }
}
