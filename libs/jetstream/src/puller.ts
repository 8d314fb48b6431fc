import { JetStreamApiError, jetstream, type Consumer, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import { errorText } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import type { Broker } from './broker.js';
import { ACK_WAIT_MS, durableName, isMissing, streamName } from './topology.js';

/** An unanswered pull is renewed after this; the broker forgets it then. ms */
const PULL_MS = 30_000;

/** How often the capacity is asked again while it might have grown. ms */
const LOOK_EVERY_MS = 100;

/** Wait after a pull that the broker refused. ms */
const RETRY_MS = 250;

export interface PullerOptions {
  readonly broker: Broker;
  readonly service: string;
  readonly event: EventDefinition;
  /** Messages in hand at the same time, at most. */
  readonly concurrency: number;
  /** More messages that may come right now; undefined for no bound but `concurrency`. */
  readonly capacity: (() => number) | undefined;
  /** Works on one message and answers it; never throws. */
  readonly deliver: (message: JsMsg) => Promise<void>;
}

/**
 * Pulls one durable consumer. What was asked for and what is in hand together never exceed the free places, so no
 * message ages in a queue of this process.
 */
export class Puller {
  private readonly pulls = new Set<ConsumerMessages>();
  private readonly inHand = new Map<JsMsg, Promise<void>>();
  private asked = 0;
  private stopping = false;
  private backOff: NodeJS.Timeout | undefined;
  private timer: NodeJS.Timeout | undefined;
  private forget: (() => void)[] = [];
  private consumer: Consumer | undefined;

  constructor(private readonly options: PullerOptions) {}

  /** Resolves when it pulls. A broker that is away, or has just lost its stream, is waited for. */
  async start(): Promise<void> {
    const { broker, service, event, capacity } = this.options;
    const release = await this.patiently(() => broker.keeper.keep(service, event, () => this.restart()));
    this.forget = [release, broker.onReconnect(() => this.restart())];
    this.consumer = await this.patiently(() =>
      jetstream(broker.connection).consumers.get(streamName(broker.prefix), durableName(service, event)),
    );
    if (this.stopping) return;
    if (capacity) this.timer = setInterval(() => this.pump(), LOOK_EVERY_MS);
    this.pump();
  }

  /** Tries again until it succeeds, is refused or stopped, or the connection is closed for good; a 5xx passes. */
  private async patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const { broker, service, event } = this.options;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        const refused = error instanceof JetStreamApiError && !isMissing(error) && error.status < 500;
        if (refused || this.stopping || broker.connection.isClosed()) throw error;
        broker.log('warn', `waiting for NATS: ${errorText(error)}`, { consumer: durableName(service, event) });
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      await broker.keeper.ensure();
    }
  }

  /** Stops asking, lets what is in hand finish for `graceMs`, and gives the rest back to the broker. */
  async stop(graceMs: number): Promise<void> {
    this.stopping = true;
    clearTimeout(this.backOff);
    clearInterval(this.timer);
    for (const each of this.forget) each();
    for (const pull of this.pulls) void pull.close();
    if (this.inHand.size > 0) {
      let timeout: NodeJS.Timeout | undefined;
      const grace = new Promise((resolve) => (timeout = setTimeout(resolve, graceMs)));
      await Promise.race([Promise.allSettled(this.inHand.values()), grace]);
      clearTimeout(timeout);
    }
    for (const message of this.inHand.keys()) message.nak();
  }

  /** Forgets the pulls that the broker may have forgotten. */
  private restart(): void {
    for (const pull of this.pulls) void pull.close();
    this.pump();
  }

  private pump(): void {
    const { concurrency, capacity, broker } = this.options;
    if (this.stopping || !this.consumer || this.backOff !== undefined || !broker.status().connected) return;
    const bound = concurrency - this.inHand.size - this.asked;
    const free = capacity ? Math.min(bound, Math.floor(capacity()) - this.inHand.size - this.asked) : bound;
    // A busy consumer asks for several at once rather than once per message.
    if (free >= Math.max(1, Math.floor(concurrency / 4)) || (free >= 1 && (this.asked === 0 || capacity))) {
      void this.pull(this.consumer, free);
    }
  }

  private async pull(consumer: Consumer, count: number): Promise<void> {
    const { broker, event } = this.options;
    let left = count;
    this.asked += count;
    let pull: ConsumerMessages | undefined;
    let failed = false;
    try {
      pull = await consumer.fetch({ max_messages: count, expires: PULL_MS });
      this.pulls.add(pull);
      if (this.stopping) void pull.close();
      for await (const message of pull) {
        left -= 1;
        this.asked -= 1;
        this.take(message);
      }
    } catch (error) {
      failed = true;
      if (!this.stopping && broker.status().connected) {
        broker.log('debug', `a pull broke off: ${errorText(error)}`, { event: event.name });
        void broker.keeper.ensure();
      }
    }
    if (pull) this.pulls.delete(pull);
    this.asked -= left;
    if (failed) this.pumpLater();
    else this.pump();
  }

  private take(message: JsMsg): void {
    // It was under way when the service began to stop: another replica may have it at once.
    if (this.stopping) return message.nak();
    // Renewed well within the broker's patience, so that a slow handler isn't called twice.
    const beat = setInterval(() => message.working(), ACK_WAIT_MS / 3);
    const work = this.options.deliver(message).finally(() => {
      clearInterval(beat);
      this.inHand.delete(message);
      this.pump();
    });
    this.inHand.set(message, work);
  }

  private pumpLater(): void {
    if (this.stopping) return;
    this.backOff ??= setTimeout(() => {
      this.backOff = undefined;
      this.pump();
    }, RETRY_MS);
  }
}
