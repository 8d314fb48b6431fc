import { io, type Socket } from 'socket.io-client';
import {
  LIVE_NAMESPACE,
  LIVE_PATH,
  type ClientToServer,
  type Invalidation,
  type LogBatch,
  type LogPage,
  type ServerToClient,
} from '@capstan/api';
import type { CapstanProcess } from '@capstan/test-support';
import { sleep, wallMs } from './clock.js';

export interface SeenLine {
  readonly sequence: number;
  readonly text: string;
  /** When it reached this client first, Unix ms. */
  readonly seenMs: number;
}

/** A browser's stand-in: hears what changed, follows a run's log, and fills what it missed by REST. */
export class LiveClient {
  private readonly runs = new Map<string, string>();
  private readonly lines = new Map<string, Map<number, SeenLine>>();
  private readonly waiting = new Map<string, (runId: string) => void>();

  private constructor(
    private readonly capstan: CapstanProcess,
    private readonly socket: Socket<ServerToClient, ClientToServer>,
  ) {
    socket.on('invalidate', (message) => this.heard(message));
    socket.on('log', (batch) => this.take(batch));
  }

  static async connect(capstan: CapstanProcess): Promise<LiveClient> {
    const socket: Socket<ServerToClient, ClientToServer> = io(capstan.url + LIVE_NAMESPACE, {
      path: LIVE_PATH,
      transports: ['websocket'],
      auth: { token: capstan.token },
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', reject);
    });
    return new LiveClient(capstan, socket);
  }

  /** The task's run, as soon as the live door has spoken of it. */
  runOf(taskId: string): Promise<string> {
    const known = this.runs.get(taskId);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => this.waiting.set(taskId, resolve));
  }

  /** Follows from the first line on: what came before the room was joined is read by REST. */
  async follow(runId: string): Promise<void> {
    const answer = await new Promise<{ head: number } | { error: string }>((resolve) =>
      this.socket.emit('follow', { runId }, resolve),
    );
    if ('error' in answer) throw new Error(`following ${runId}: ${answer.error}`);
    if (answer.head > 0) await this.fill(runId, 0);
  }

  unfollow(runId: string): void {
    this.socket.emit('unfollow', { runId });
    this.lines.delete(runId);
  }

  /** Everything seen of a run, in order. */
  seen(runId: string): SeenLine[] {
    return [...(this.lines.get(runId)?.values() ?? [])].sort((a, b) => a.sequence - b.sequence);
  }

  /** Waits until so many lines are there. */
  async until(runId: string, count: number, withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    while ((this.lines.get(runId)?.size ?? 0) < count) {
      if (performance.now() > end) return;
      await sleep(10);
    }
  }

  close(): void {
    this.socket.disconnect();
  }

  private async fill(runId: string, after: number): Promise<void> {
    const page = await this.capstan.call<LogPage>('GET', `/api/runs/${runId}/log?after=${after}&limit=5000`);
    this.take({ runId, lines: page.lines });
  }

  private heard({ kind, id, taskId }: Invalidation): void {
    if (kind !== 'run' || taskId === null) return;
    this.runs.set(taskId, id);
    this.waiting.get(taskId)?.(id);
    this.waiting.delete(taskId);
  }

  private take({ runId, lines }: LogBatch): void {
    const seenMs = wallMs();
    let known = this.lines.get(runId);
    if (known === undefined) this.lines.set(runId, (known = new Map()));
    for (const { sequence, text } of lines) if (!known.has(sequence)) known.set(sequence, { sequence, text, seenMs });
  }
}
