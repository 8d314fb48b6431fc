import { join } from 'node:path';
import { LIVE_NAMESPACE, LIVE_PATH, type LogPage } from '@capstan/api';
import { ROOT } from '@capstan/test-support';
import { io, type Socket } from 'socket.io-client';

type LogLine = LogPage['lines'][number];

/** What is used of the dashboard's own class, which lives behind another project's compiler settings. */
interface Follow {
  connected(): Promise<void>;
  disconnected(): void;
  head(head: number, ended: boolean): void;
  receive(lines: readonly LogLine[]): void;
  stop(): void;
}

/**
 * A log as the dashboard follows it: its own `LogFollow` over a real socket and real pages, whose link can be cut at
 * any moment.
 */
export class LogClient {
  readonly lines: LogLine[] = [];
  phase = 'history';
  private socket: Socket | undefined;
  private follow!: Follow;
  cuts = 0;

  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly runId: string,
  ) {}

  async start(): Promise<void> {
    const { LogFollow } = (await import(join(ROOT, 'web/src/lib/live/log-follow.ts'))) as {
      LogFollow: new (ports: unknown, listener: unknown) => Follow;
    };
    this.follow = new LogFollow(
      {
        follow: () => this.join(),
        unfollow: () => this.socket?.emit('unfollow', { runId: this.runId }),
        page: (after: number) => this.page(after),
        wait: (ms: number, then: () => void) => {
          const timer = setTimeout(then, ms);
          return () => clearTimeout(timer);
        },
      },
      {
        lines: (lines: readonly LogLine[]) => this.lines.push(...lines),
        state: ({ phase }: { phase: string }) => (this.phase = phase),
      },
    );
    this.connect();
  }

  /**
   * The link breaks in the middle of whatever comes, and is made anew. Only one that is open can break: closed from here
   * while it opens, Socket.IO would hear of it only when its own limit for opening is up.
   */
  cut(): void {
    const engine = this.socket?.io.engine;
    if (engine?.readyState !== 'open') return;
    this.cuts += 1;
    engine.close();
  }

  /** Where it stands, in words, for whoever waits for it in vain. */
  tell(): string {
    const link = this.socket?.connected ? 'up' : 'down';
    return `${this.lines.length} lines, ${this.phase}, ${this.cuts} cuts, link ${link}`;
  }

  stop(): void {
    this.follow.stop();
    this.socket?.disconnect();
  }

  private connect(): void {
    const socket = io(this.url + LIVE_NAMESPACE, {
      path: LIVE_PATH,
      transports: ['websocket'],
      auth: { token: this.token },
      reconnectionDelay: 20,
      reconnectionDelayMax: 300,
    });
    socket.on('connect', () => void this.follow.connected());
    socket.on('disconnect', () => this.follow.disconnected());
    socket.on('log', ({ runId, lines }: { runId: string; lines: LogLine[] }) => {
      if (runId === this.runId) this.follow.receive(lines);
    });
    socket.on('head', ({ runId, head, ended }: { runId: string; head: number; ended: boolean }) => {
      if (runId === this.runId) this.follow.head(head, ended);
    });
    this.socket = socket;
  }

  private async join(): Promise<{ head: number; ended: boolean }> {
    const answer = (await this.socket!.timeout(5_000).emitWithAck('follow', { runId: this.runId })) as
      { head: number; ended: boolean } | { error: string };
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }

  private async page(after: number): Promise<LogPage> {
    const response = await fetch(`${this.url}/api/runs/${this.runId}/log?after=${after}&limit=1000`, {
      headers: { authorization: `Bearer ${this.token}` },
    });
    if (!response.ok) throw new Error(`${response.status}`);
    return (await response.json()) as LogPage;
  }
}
