import { LIVE_NAMESPACE, LIVE_PATH, LogBatch, LogHead, routes } from '@capstan/api';
import type { LogLine } from '@capstan/domain';
import type { z } from 'zod';
import { io, type Socket } from 'socket.io-client';
import type { GatewayClient } from './gateway-client.js';

type ApiLine = z.output<typeof LogBatch>['lines'][number];

/** Without a word from the socket for so long, the log is read by REST all the same. */
const LOOK_EVERY_MS = 5_000;

/**
 * Prints every line of a run exactly once and in order, from what REST has to what the socket brings. The socket only
 * shortens the wait: whatever it leaves out, repeats or reorders is put right by reading the log.
 */
export class LogFollower {
  private printed = 0;
  private head = 0;
  private ended = false;

  constructor(
    private readonly gateway: GatewayClient,
    private readonly runId: string,
    private readonly print: (line: ApiLine | LogLine) => void,
  ) {}

  /** Everything that is stored now. */
  async readAll(): Promise<{ readonly ended: boolean }> {
    for (;;) {
      const page = await this.gateway.call(routes.runLog, {
        params: { runId: this.runId },
        query: { after: this.printed, limit: 5_000 },
      });
      for (const line of page.lines) this.take(line);
      this.head = Math.max(this.head, page.head);
      if (page.lines.length === 0 || this.printed >= page.head) return { ended: page.ended };
    }
  }

  /** Prints until the run is over and its last line is out. @throws what REST throws; the socket's faults are retried. */
  async follow(): Promise<void> {
    const socket = this.connect();
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        // One thing after the other: reads and batches never interleave.
        let last = Promise.resolve();
        const step = (work: () => Promise<void>) => {
          last = last.then(work).then(() => {
            if (this.ended && this.printed >= this.head) resolve();
          });
          last.catch(reject);
        };
        socket.on('connect', () => {
          socket.emit('follow', { runId: this.runId }, () => step(() => this.look()));
        });
        socket.on('log', (raw: unknown) => step(() => this.batch(raw)));
        socket.on('head', (raw: unknown) => step(() => this.headed(raw)));
        timer = setInterval(() => step(() => this.look()), LOOK_EVERY_MS);
        step(() => this.look());
      });
    } finally {
      clearInterval(timer);
      socket.disconnect();
    }
  }

  private connect(): Socket {
    return io(new URL(LIVE_NAMESPACE, this.gateway.url).href, {
      path: LIVE_PATH,
      transports: ['websocket'],
      auth: { token: this.gateway.token },
    });
  }

  private async look(): Promise<void> {
    const { ended } = await this.readAll();
    this.ended ||= ended;
  }

  private async batch(raw: unknown): Promise<void> {
    const parsed = LogBatch.safeParse(raw);
    if (!parsed.success || parsed.data.runId !== this.runId) return;
    const fresh = parsed.data.lines.filter((line) => line.sequence > this.printed);
    const gap = fresh.some((line, index) => line.sequence !== this.printed + 1 + index);
    // The live view cuts long lines; the stored ones are whole, but a terminal doesn't miss the rest.
    if (gap) await this.readAll();
    else for (const line of fresh) this.take(line);
  }

  private async headed(raw: unknown): Promise<void> {
    const parsed = LogHead.safeParse(raw);
    if (!parsed.success || parsed.data.runId !== this.runId) return;
    this.head = Math.max(this.head, parsed.data.head);
    if (this.head > this.printed) await this.readAll();
    this.ended ||= parsed.data.ended;
  }

  private take(line: ApiLine): void {
    if (line.sequence <= this.printed) return;
    this.printed = line.sequence;
    this.print(line);
  }
}
