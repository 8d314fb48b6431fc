import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { LogBatch, LogHead } from '@capstan/api';
import { errorText, type Id } from '@capstan/domain';
import { Database } from '@capstan/database';
import { logBatch, logHead } from '@capstan/events';
import { Broker, type Subscription } from '@capstan/jetstream';
import { LOGGER, Loops, type Logger } from '@capstan/service-kit';
import { readLogHead, readLogLines } from '../runs/runs.reader.js';
import { LogFeed, type LogSource } from './log-feed.js';

/** Followed runs are looked at this often, so that a lost last message delays the end and never hides it. */
const SWEEP_EVERY_MS = 2_000;

/** Where a run's lines go: to its followers, all of the given workspace. */
export interface FeedSinks {
  lines(workspaceId: Id, batch: LogBatch): void;
  head(workspaceId: Id, head: LogHead): void;
}

interface Entry {
  readonly feed: LogFeed;
  readonly workspaceId: Id;
  readonly followers: Set<string>;
}

/** The logs that browsers of this replica follow: one feed per run, however many follow it. */
@Injectable()
export class LogFeeds implements OnModuleInit, OnModuleDestroy {
  private readonly entries = new Map<Id, Entry>();
  private readonly subscriptions: Subscription[] = [];
  private forget: (() => void) | undefined;
  private sinks: FeedSinks | undefined;

  constructor(
    private readonly database: Database,
    private readonly broker: Broker,
    private readonly loops: Loops,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.subscriptions.push(
      this.broker.listen(logBatch, ({ workspaceId, runId, lines }) => this.of(workspaceId, runId)?.feed.take(lines)),
      this.broker.listen(logHead, ({ workspaceId, runId, head, ended }) =>
        this.of(workspaceId, runId)?.feed.reach(head, ended),
      ),
    );
    this.forget = this.broker.onReconnect(() => void this.lookAtAll());
    this.loops.every({ name: 'log feeds', everyMs: SWEEP_EVERY_MS, pass: () => this.lookAtAll() });
  }

  async onModuleDestroy(): Promise<void> {
    this.forget?.();
    for (const { feed } of this.entries.values()) feed.close();
    this.entries.clear();
    await Promise.all(this.subscriptions.map((subscription) => subscription.close()));
  }

  /** Where lines go; set once by the live door. */
  deliverTo(sinks: FeedSinks): void {
    this.sinks = sinks;
  }

  /**
   * Begins to follow a run. Lines above the answered head are delivered from now on; call it after the follower can
   * receive them. @returns null for a run that isn't in the workspace.
   * @param follower its name, for {@link leave}; following twice counts once.
   */
  async follow(workspaceId: Id, runId: Id, follower: string) {
    this.of(workspaceId, runId)?.followers.add(follower);
    const found = await this.read(workspaceId, runId);
    if (found === null) return null;
    this.join(workspaceId, runId, follower, found.head);
    return { head: found.head, ended: found.ended };
  }

  leave(runId: Id, follower: string): void {
    const entry = this.entries.get(runId);
    if (entry === undefined) return;
    entry.followers.delete(follower);
    if (entry.followers.size > 0) return;
    entry.feed.close();
    this.entries.delete(runId);
  }

  private join(workspaceId: Id, runId: Id, follower: string, head: number): void {
    // Somebody else may have begun while the head was read, or all may have left.
    const entry = this.of(workspaceId, runId);
    if (entry !== undefined) return void entry.followers.add(follower);
    const feed = new LogFeed({
      runId,
      from: head,
      source: this.sourceOf(workspaceId),
      emitLines: (batch) => this.sinks?.lines(workspaceId, batch),
      emitHead: (reached) => this.sinks?.head(workspaceId, reached),
      onError: (error) => this.logger.warn({ run_id: runId, reason: errorText(error) }, 'a log can not be read on yet'),
    });
    this.entries.set(runId, { feed, workspaceId, followers: new Set([follower]) });
    // What was committed between the read and now came to nobody.
    void feed.look();
  }

  private of(workspaceId: Id, runId: Id): Entry | undefined {
    const entry = this.entries.get(runId);
    return entry?.workspaceId === workspaceId ? entry : undefined;
  }

  private sourceOf(workspaceId: Id): LogSource {
    const database = this.database;
    return {
      head: (runId) => this.read(workspaceId, runId),
      lines: (runId, after, limit) =>
        database.transaction((tx) => readLogLines(tx, workspaceId, runId, after, limit), { workspaceId }),
    };
  }

  private read(workspaceId: Id, runId: Id) {
    return this.database.transaction((tx) => readLogHead(tx, workspaceId, runId), { workspaceId });
  }

  private async lookAtAll(): Promise<void> {
    for (const { feed } of [...this.entries.values()]) await feed.look();
  }
}
