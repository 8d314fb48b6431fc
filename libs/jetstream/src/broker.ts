import { jetstream, JetStreamApiError, type JetStreamClient } from '@nats-io/jetstream';
import { headers, type Msg, type NatsConnection, type Subscription as NatsSubscription } from '@nats-io/transport-node';
import { Bug, errorText, TransientError } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';
import { decode } from './codec.js';
import { openConnection } from './connection.js';
import { Keeper } from './keeper.js';
import { silent, type BrokerLog } from './log.js';
import { Tail, type TailOptions } from './tail.js';
import { streamName, subjectOf } from './topology.js';

export interface BrokerOptions {
  /** `nats://[user:password@]host:port`, several separated by commas. */
  readonly url: string;
  /** First token of every subject; two installations may share a broker. Default `capstan`. */
  readonly prefix?: string;
  /** Shown in the broker's own monitoring. */
  readonly name: string;
  /** Copies of the stream in a NATS cluster. Default 1. */
  readonly replicas?: number;
  readonly log?: BrokerLog;
}

export interface BrokerStatus {
  readonly connected: boolean;
  /** When that began. */
  readonly since: Date;
}

export interface Subscription {
  close(): Promise<void>;
}

/** The part of an outbox row that travels. */
export interface RawMessage {
  readonly id: string;
  /** Subject without the installation's prefix. */
  readonly subject: string;
  readonly payload: unknown;
  readonly traceparent: string | null;
}

/**
 * How long a publish waits for the stream's acknowledgement. One that went out while the stream was made anew never
 * gets any, so this is how soon it is tried again; a mere delay costs a duplicate, which the stream drops. ms
 */
const PUBLISH_TIMEOUT_MS = 2_000;

/**
 * Connects, checks the server, makes the stream. The connection then reconnects for ever, and stream and consumers
 * that vanish are made anew.
 * @throws TransientError `nats_unreachable` when nobody answers; UserError for a server that can't be used.
 */
export async function connectBroker(options: BrokerOptions): Promise<Broker> {
  const { url, name, prefix = 'capstan', replicas = 1, log = silent } = options;
  const connection = await openConnection(url, name);
  try {
    const keeper = await Keeper.start(connection, { prefix, replicas, log });
    return new Broker(connection, keeper, prefix, log);
  } catch (error) {
    await connection.close();
    throw new TransientError("the event stream can't be made", {
      code: 'nats_stream',
      cause: error,
    });
  }
}

/** One connection to NATS, shared by all services of a process. */
export class Broker {
  private readonly jetstream: JetStreamClient;
  private readonly tails = new Set<Tail>();
  private readonly reconnected = new Set<() => void>();
  private current: BrokerStatus = { connected: true, since: new Date() };
  private closing = false;

  constructor(
    /** For libs/jetstream's own transport. */
    readonly connection: NatsConnection,
    readonly keeper: Keeper,
    readonly prefix: string,
    readonly log: BrokerLog,
  ) {
    this.jetstream = jetstream(connection, { timeout: PUBLISH_TIMEOUT_MS });
    const reopen = () => {
      for (const tail of this.tails) tail.reopen();
    };
    keeper.onStreamLost(reopen);
    this.onReconnect(reopen);
    void this.follow();
  }

  status(): BrokerStatus {
    return this.current;
  }

  /** Version of the server that is connected. */
  get serverVersion(): string {
    return this.connection.info?.version ?? 'unknown';
  }

  /** Called after each time that a lost connection is back and the topology was looked at. */
  onReconnect(listener: () => void): () => void {
    this.reconnected.add(listener);
    return () => this.reconnected.delete(listener);
  }

  /**
   * Publishes one message. A stream event: resolves once the stream has it; the same `id` again within two minutes is
   * dropped by the broker. A core event: fire and forget; it reaches who listens now, and nobody while disconnected.
   * @throws TransientError `nats_unavailable` when the stream didn't acknowledge.
   */
  async publish<Payload>(
    event: EventDefinition<string, Payload>,
    payload: Payload,
    { id, traceparent = null }: { readonly id?: string; readonly traceparent?: string | null } = {},
  ): Promise<void> {
    const subject = event.subject(payload);
    if (event.transport === 'stream') {
      return this.publishRaw({ id: id ?? '', subject, payload, traceparent });
    }
    if (this.closing || this.connection.isClosed() || !this.current.connected) return;
    this.connection.publish(subjectOf(this.prefix, subject), JSON.stringify(payload), {
      headers: this.headersOf(traceparent),
    });
  }

  /** Publishes an outbox row into the stream; see {@link publish}. */
  async publishRaw({ id, subject, payload, traceparent }: RawMessage): Promise<void> {
    if (this.closing || !this.current.connected) throw unavailable(undefined);
    const send = () =>
      this.jetstream.publish(subjectOf(this.prefix, subject), JSON.stringify(payload), {
        headers: this.headersOf(traceparent),
        ...(id === '' ? {} : { msgID: id }),
      });
    try {
      await send();
    } catch (error) {
      if (isRefused(error)) throw new Bug('NATS never takes this message', { code: 'event_refused', cause: error });
      if (!isStreamGone(error)) throw this.unavailable(error);
      await this.keeper.ensure();
      await send().catch((again: unknown) => {
        throw this.unavailable(again);
      });
    }
    this.keeper.watch.accepted();
  }

  /** Follows a core event from now on. A payload that doesn't parse is logged and skipped. */
  listen<Payload>(
    event: EventDefinition<string, Payload>,
    handler: (payload: Payload, traceparent: string | null) => void | Promise<void>,
  ): Subscription {
    const fail = (error: unknown) => this.log('error', `a listener failed: ${errorText(error)}`, { event: event.name });
    const receive = async (message: Msg) => {
      const decoded = decode(event, message.data);
      if (!decoded.ok) return fail(decoded.reason);
      await handler(decoded.payload, message.headers?.get('traceparent') || null);
    };
    const subscription: NatsSubscription = this.connection.subscribe(subjectOf(this.prefix, event.filter), {
      callback: (error, message) => (error ? fail(error) : void receive(message).catch(fail)),
    });
    return {
      close: async () => {
        if (!subscription.isClosed() && !this.connection.isClosed()) subscription.unsubscribe();
      },
    };
  }

  /**
   * Every message of the given stream events from now on, in the stream's order, to this process alone. A connection
   * that was lost resumes where it broke off; where that is impossible `onGap` is called. Resolves once it listens.
   */
  async tail(
    events: readonly EventDefinition[],
    handler: (event: EventDefinition, payload: unknown) => void,
    options: TailOptions = {},
  ): Promise<Subscription> {
    const tail = new Tail(this.connection, this.prefix, events, handler, options, this.log);
    await tail.open();
    this.tails.add(tail);
    return {
      close: async () => {
        this.tails.delete(tail);
        await tail.close();
      },
    };
  }

  /** Resolves once everything published so far has left this process. */
  async flush(): Promise<void> {
    await this.connection.flush();
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    this.keeper.close();
    await Promise.allSettled([...this.tails].map((tail) => tail.close()));
    if (this.current.connected) await this.connection.flush().catch(() => undefined);
    await this.connection.close();
    this.current = { connected: false, since: new Date() };
  }

  private unavailable(cause: unknown): TransientError {
    this.keeper.watch.refused();
    return unavailable(cause);
  }

  private headersOf(traceparent: string | null) {
    const result = headers();
    if (traceparent !== null) result.set('traceparent', traceparent);
    return result;
  }

  private async follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect' && this.current.connected && !this.closing) {
        this.current = { connected: false, since: new Date() };
        this.log('warn', 'NATS is out of reach; reconnecting');
      }
      if (status.type === 'reconnect') {
        this.current = { connected: true, since: new Date() };
        this.log('info', 'NATS is back', { stream: streamName(this.prefix) });
        // Not awaited: a broker that comes and goes must not hold up the next status.
        void this.keeper.ensure().then(() => {
          for (const listener of this.reconnected) listener();
        });
      }
    }
  }
}

/** Nobody listens on the subject, or the server knows no such stream. */
function isStreamGone(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status === 404 || error.status === 503;
  return (
    /no responders|503/i.test(errorText(error)) || (error instanceof Error && error.name === 'JetStreamNotEnabled')
  );
}

/** `message size exceeds maximum allowed`, the stream's limit. */
const TOO_LARGE = 10_054;

/** The message's own fault: sending it again never helps. */
function isRefused(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.code === TOO_LARGE;
  return error instanceof Error && /^(InvalidSubjectError|InvalidArgumentError)$/.test(error.name);
}

function unavailable(cause: unknown): TransientError {
  return new TransientError('NATS took no message', {
    code: 'nats_unavailable',
    cause,
  });
}
