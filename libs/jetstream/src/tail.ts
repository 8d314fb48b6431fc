import { DeliverPolicy, jetstream, jetstreamManager, type ConsumerMessages } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { errorText } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import { decode } from './codec.js';
import type { BrokerLog } from './log.js';
import { streamName, subjectOf } from './topology.js';

export interface TailOptions {
  /** Called when events may have been missed: the listener should read its state again. */
  readonly onGap?: () => void;
}

/** An ephemeral ordered consumer from now on. After an outage it goes on where it broke off. */
export class Tail {
  private messages: ConsumerMessages | undefined;
  private position: { readonly stream: string; sequence: number } | undefined;
  private closed = false;
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly prefix: string,
    private readonly events: readonly EventDefinition[],
    private readonly handler: (event: EventDefinition, payload: unknown) => void,
    private readonly options: TailOptions,
    private readonly log: BrokerLog,
  ) {}

  /** Resolves once events flow; `gap` says that some may have been missed since the last time. */
  async open(): Promise<{ readonly gap: boolean }> {
    const name = streamName(this.prefix);
    const manager = await jetstreamManager(this.connection, { checkAPI: false });
    const { created, state } = await manager.streams.info(name);
    const known = this.position;
    const same = known?.stream === created && known.sequence <= state.last_seq && known.sequence + 1 >= state.first_seq;
    const position = same ? known : { stream: created, sequence: state.last_seq };
    this.position = position;
    const consumer = await jetstream(this.connection).consumers.get(name, {
      filter_subjects: this.events.map((event) => subjectOf(this.prefix, event.filter)),
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: position.sequence + 1,
    });
    const messages = await consumer.consume({ max_messages: 500, abort_on_missing_resource: true });
    this.messages = messages;
    if (this.closed) void messages.close();
    else void this.drain(messages);
    return { gap: known !== undefined && !same };
  }

  /** The broker was away, or the stream was made anew: the server has forgotten the consumer. */
  reopen(): void {
    const { messages } = this;
    this.messages = undefined;
    // Closing ends the draining, and that opens again.
    if (messages) void messages.close();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    await this.messages?.close();
  }

  private async drain(messages: ConsumerMessages): Promise<void> {
    try {
      for await (const message of messages) {
        if (this.position) this.position.sequence = message.seq;
        const subject = message.subject.slice(this.prefix.length + 1);
        const event = this.events.find((each) => each.parseSubject(subject) !== null);
        if (event === undefined) continue;
        const decoded = decode(event, message.data);
        if (!decoded.ok) this.log('error', `an event doesn't parse: ${decoded.reason}`, { event: event.name });
        else this.call(event, decoded.payload);
      }
    } catch (error) {
      if (!this.closed) this.log('debug', `the tail broke off: ${errorText(error)}`);
    }
    this.again();
  }

  private call(event: EventDefinition, payload: unknown): void {
    try {
      this.handler(event, payload);
    } catch (error) {
      this.log('error', `a listener of the tail failed: ${errorText(error)}`, { event: event.name });
    }
  }

  private again(): void {
    if (this.closed) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.open().then(
        ({ gap }) => gap && this.options.onGap?.(),
        () => this.again(),
      );
    }, 100);
  }
}
