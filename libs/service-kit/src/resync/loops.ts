import type { Logger } from '../telemetry/logger.js';
import { everyLoop, resync, type EveryOptions, type Loop, type ResyncOptions } from './resync.js';

/** A service's loops: they log under its name and end with it. Injectable by class. */
export class Loops {
  private readonly loops = new Map<Loop, string>();
  private closed = false;

  constructor(private readonly logger: Logger) {}

  resync<Row>(options: Omit<ResyncOptions<Row>, 'logger'>): Loop {
    return this.keep(options.name, resync({ ...options, logger: this.logger }));
  }

  /** For a loop that has no rows, such as a heartbeat. */
  every(options: Omit<EveryOptions, 'logger'>): Loop {
    return this.keep(options.name, everyLoop({ ...options, logger: this.logger }));
  }

  /** Ends all; resolves when the present passes ended. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.loops.keys()].map((loop) => loop.close().finally(() => this.loops.delete(loop))));
  }

  /** After {@link close}: whose passes have not ended yet. */
  get atWork(): readonly string[] {
    return [...this.loops.values()];
  }

  private keep(name: string, loop: Loop): Loop {
    this.loops.set(loop, name);
    if (this.closed) void loop.close();
    return loop;
  }
}
