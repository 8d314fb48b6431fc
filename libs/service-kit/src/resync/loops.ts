import type { Logger } from '../telemetry/logger.js';
import { everyLoop, resync, type EveryOptions, type Loop, type ResyncOptions } from './resync.js';

/** A service's loops: they log under its name and end with it. Injectable by class. */
export class Loops {
  private readonly loops = new Set<Loop>();
  private closed = false;

  constructor(private readonly logger: Logger) {}

  resync<Row>(options: Omit<ResyncOptions<Row>, 'logger'>): Loop {
    return this.keep(resync({ ...options, logger: this.logger }));
  }

  /** For a loop that has no rows, such as a heartbeat. */
  every(options: Omit<EveryOptions, 'logger'>): Loop {
    return this.keep(everyLoop({ ...options, logger: this.logger }));
  }

  /** Ends all; resolves when the present passes ended. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.loops].map((loop) => loop.close()));
  }

  private keep(loop: Loop): Loop {
    this.loops.add(loop);
    if (this.closed) void loop.close();
    return loop;
  }
}
