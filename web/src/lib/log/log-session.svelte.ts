import { call } from '#lib/api/client.ts';
import { connection } from '#lib/live/connection.svelte.ts';
import { LogFollow, type LogFollowState } from '#lib/live/log-follow.ts';
import { browserWait } from '#lib/live/refetcher.ts';
import type { LogLine } from '#lib/api/types.ts';
import { LogRows } from './log-rows.ts';

const PAGE_LINES = 5_000;

/** One run's log as the page shows it: followed without a gap, drawn at most once a frame. */
export class LogSession {
  readonly runId: string;
  readonly rows = new LogRows();
  /** Raised whenever the rows changed; what draws them reads it. */
  version = $state(0);
  state = $state.raw<LogFollowState>({ phase: 'history', head: 0, error: null });
  readonly #follow: LogFollow;
  readonly #off: (() => void)[];
  #waiting: LogLine[] = [];
  #frame: ReturnType<typeof setTimeout> | null = null;
  #level: (() => void) | null = null;

  constructor(runId: string) {
    this.runId = runId;
    this.#follow = new LogFollow(
      {
        follow: () => connection.follow(runId),
        unfollow: () => connection.unfollow(runId),
        page: (after) => call('runLog', { params: { runId }, query: { after, limit: PAGE_LINES } }),
        wait: browserWait,
      },
      {
        lines: (lines) => this.#take(lines),
        state: (state) => this.#show(state),
      },
    );
    this.#off = [
      connection.on('up', () => void this.#follow.connected()),
      connection.on('down', () => this.#follow.disconnected()),
      connection.on('log', (batch) => {
        if (batch.runId === runId) this.#follow.receive(batch.lines);
      }),
      connection.on('head', ({ runId: of, head, ended }) => {
        if (of === runId) this.#follow.head(head, ended);
      }),
    ];
    void this.#begin();
  }

  stop(): void {
    this.#follow.stop();
    this.#off.forEach((end) => end());
    if (this.#frame !== null) clearTimeout(this.#frame);
    this.#level?.();
  }

  /** The rows were changed by hand (a fold, the width). */
  changed(): void {
    this.version++;
  }

  /** Live where there is a link already; without one the history is shown all the same. */
  async #begin(): Promise<void> {
    if (connection.connected) {
      await this.#follow.connected();
      return;
    }
    const page = await call('runLog', { params: { runId: this.runId }, query: { after: 0, limit: 1 } }).catch(
      () => null,
    );
    if (page !== null) this.#follow.head(page.head, page.ended);
  }

  /** A burst of batches becomes one drawing; hidden pages get no animation frames, so a timer it is. */
  #take(lines: readonly LogLine[]): void {
    for (const line of lines) this.#waiting.push(line);
    this.#frame ??= setTimeout(() => {
      this.#frame = null;
      this.rows.append(this.#waiting);
      this.#waiting = [];
      this.version++;
    }, 30);
  }

  #show(state: LogFollowState): void {
    this.state = state;
    const isBehind = state.phase === 'filling';
    if (isBehind) this.#level ??= connection.catchUp();
    else {
      this.#level?.();
      this.#level = null;
    }
  }
}
