import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import type { BrokerLog } from './log.js';
import { StreamWatch } from './stream-watch.js';
import { durableName, ensureConsumer, ensureStream, isMissing, streamName } from './topology.js';

/** How often it is looked whether stream and consumers are still there. ms */
const CHECK_EVERY_MS = 2_000;

interface Registered {
  readonly service: string;
  readonly event: EventDefinition;
  readonly restored: () => void;
}

/**
 * Keeps the stream and the registered consumers in being: whoever deletes them, or the broker's whole volume, sees
 * them again within a few seconds. A stream that is there and takes nothing is deleted and made anew.
 */
export class Keeper {
  private readonly registered = new Map<string, Registered>();
  private readonly lost = new Set<() => void>();
  /** What publishing into the stream came to. */
  readonly watch = new StreamWatch();
  private timer: NodeJS.Timeout | undefined;
  private pass: Promise<void> | undefined;
  private wanted = false;
  private closed = false;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly jsm: JetStreamManager,
    private readonly prefix: string,
    private readonly replicas: number,
    private readonly log: BrokerLog,
  ) {}

  /** @throws what the server says when the stream can't be made. */
  static async start(
    connection: NatsConnection,
    options: { prefix: string; replicas: number; log: BrokerLog },
  ): Promise<Keeper> {
    const jsm = await jetstreamManager(connection, { checkAPI: false, timeout: 5_000 });
    const keeper = new Keeper(connection, jsm, options.prefix, options.replicas, options.log);
    await ensureStream(jsm, options.prefix, options.replicas);
    keeper.timer = setInterval(() => void keeper.check(), CHECK_EVERY_MS);
    return keeper;
  }

  /** Makes the consumer now and keeps it. `restored` is called after each time that it had to be made anew. */
  async keep(service: string, event: EventDefinition, restored: () => void): Promise<() => void> {
    await ensureConsumer(this.jsm, this.prefix, service, event);
    const name = durableName(service, event);
    this.registered.set(name, { service, event, restored });
    return () => this.registered.delete(name);
  }

  /** Called after the stream itself was lost and made anew: messages may be gone. */
  onStreamLost(listener: () => void): () => void {
    this.lost.add(listener);
    return () => this.lost.delete(listener);
  }

  /** Looks at everything and repairs it. One pass at a time; a call during a pass runs one more. Never throws. */
  ensure(): Promise<void> {
    this.wanted = true;
    this.pass ??= this.repair().finally(() => (this.pass = undefined));
    return this.pass;
  }

  /** Name of the stream. */
  get stream(): string {
    return streamName(this.prefix);
  }

  /** Deletes the stream and all its consumers, e.g. of a spec or of an installation that goes. */
  async destroy(): Promise<void> {
    this.close();
    await this.jsm.streams.delete(this.stream);
  }

  close(): void {
    this.closed = true;
    clearInterval(this.timer);
  }

  private async repair(): Promise<void> {
    while (this.wanted && !this.closed) {
      this.wanted = false;
      try {
        if (await ensureStream(this.jsm, this.prefix, this.replicas)) {
          this.log('warn', 'the event stream was gone; it is made anew', { stream: streamName(this.prefix) });
          for (const listener of this.lost) listener();
        }
        for (const [name, { service, event, restored }] of this.registered) {
          if (!(await ensureConsumer(this.jsm, this.prefix, service, event))) continue;
          this.log('warn', 'a consumer was gone; it is made anew', { consumer: name });
          restored();
        }
      } catch (error) {
        if (!this.closed) this.log('debug', `stream and consumers can't be looked at: ${errorText(error)}`);
      }
    }
  }

  /** One small request as long as everything is there. */
  private async check(): Promise<void> {
    if (this.pass !== undefined || this.closed || this.connection.isClosed()) return;
    try {
      if (this.watch.failing) await this.remakeDeadStream();
      const names = await this.consumerNames();
      if (names !== null && [...this.registered.keys()].every((name) => names.has(name))) return;
    } catch (error) {
      this.log('debug', `stream and consumers can't be looked at: ${errorText(error)}`);
      return;
    }
    await this.ensure();
  }

  /**
   * After a critical write error NATS keeps a stream listed and answers no publish to it any more. Nothing is lost with
   * it: what it held is in Postgres, and what it didn't take is in the outbox.
   */
  private async remakeDeadStream(): Promise<void> {
    const { created, state } = await this.jsm.streams.info(this.stream).catch((error: unknown) => {
      this.watch.unanswered();
      throw error;
    });
    if (!this.watch.isDead({ created, lastSequence: state.last_seq })) return;
    this.log('error', 'the event stream takes no messages; it is deleted and made anew', { stream: this.stream });
    await this.jsm.streams.delete(this.stream).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  /** Null when there is no stream. */
  private async consumerNames(): Promise<ReadonlySet<string> | null> {
    const names = new Set<string>();
    for (let total = 1; names.size < total;) {
      const answer = await this.connection.request(
        `$JS.API.CONSUMER.NAMES.${streamName(this.prefix)}`,
        JSON.stringify({ offset: names.size }),
        { timeout: 2_000 },
      );
      const page = answer.json<{ error?: unknown; total?: number; consumers?: string[] | null }>();
      if (page.error !== undefined) return null;
      const { consumers } = page;
      if (!consumers?.length) break;
      for (const name of consumers) names.add(name);
      total = page.total ?? names.size;
    }
    return names;
  }
}
