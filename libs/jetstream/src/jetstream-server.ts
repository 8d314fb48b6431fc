import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { JsMsg } from '@nats-io/jetstream';
import { Bug, errorText, type FaultPort } from '@capstan/domain';
import { MAX_DELIVERIES, type EventDefinition } from '@capstan/events';
import { lastValueFrom, type Observable } from 'rxjs';
import { assertHandlers, type FoundHandler } from './boot-check.js';
import type { Broker, Subscription } from './broker.js';
import { decode } from './codec.js';
import { Delivery, JETSTREAM, type CapacitySource, type HandlerExtras } from './handles.js';
import { outcomeToAck, type Ack, type HandlerResult, type Outcome } from './outcome.js';
import { Puller } from './puller.js';

/**
 * Parks the row that the event is about. Called before the handler would be called once too often; when it throws,
 * it is called again after a back-off and the handler stays uncalled.
 */
export type ExhaustedHook = (event: EventDefinition, payload: unknown, error: unknown) => Promise<void>;

/** One message that was answered. */
export interface HandledObservation {
  readonly event: EventDefinition;
  readonly ack: Ack;
  readonly durationMs: number;
  /** What the handler threw, if it did. */
  readonly error: unknown;
}

export interface JetStreamServerOptions {
  readonly broker: Broker;
  /** First half of the durables' names; all replicas of a service share it. */
  readonly service: string;
  /** Every event that the service consumes; exactly one handler each, or it doesn't boot. */
  readonly consumes: readonly EventDefinition[];
  readonly onExhausted?: ExhaustedHook;
  /** Finds the function behind a capacity that was given as an injection token. */
  readonly resolveCapacity?: (token: symbol | string) => () => number;
  /** Runs a handler inside a trace and a log context. */
  readonly around?: (delivery: Delivery, work: () => Promise<void | Outcome>) => Promise<void | Outcome>;
  readonly observe?: (observation: HandledObservation) => void;
  /** Changes the wait before a redelivery; for specs, which have no minute. */
  readonly redeliveryDelayMs?: (delayMs: number) => number;
  /** What is in hand at the end may take this long. Default 10 s. ms */
  readonly graceMs?: number;
  /** Passed before and after each acknowledgement. */
  readonly faults?: FaultPort;
}

const DEFAULT_CONCURRENCY = 32;

/** Errors of messages that were delivered before, for the hook that parks them. */
const REMEMBERED_ERRORS = 500;

/** Nest transport: `@Handles` methods over durable pull consumers, one consumer per service and event. */
export class JetStreamServer extends Server implements CustomTransportStrategy {
  override readonly transportId = JETSTREAM;
  // Otherwise Nest logs a handler's error and the message would be acknowledged.
  override propagatesEventHandlerErrors = true;
  private readonly pullers: Puller[] = [];
  private readonly subscriptions: Subscription[] = [];
  private draining: Promise<void> | undefined;
  private readonly lastErrors = new Map<string, unknown>();

  constructor(private readonly options: JetStreamServerOptions) {
    super();
  }

  /**
   * Can be called as soon as Nest has handed the handlers over, before any module begins to work.
   * @throws UserError `handlers_mismatch`.
   */
  assertHandlers(): void {
    assertHandlers(this.options.service, this.options.consumes, this.found());
  }

  /** @throws through the callback: UserError `handlers_mismatch`. */
  listen(callback: (error?: unknown) => void): void {
    this.bindAll().then(() => callback(), callback);
  }

  async close(): Promise<void> {
    await this.drain(this.options.graceMs ?? 10_000);
  }

  /** Stops fetching, lets what is in hand finish for `graceMs`, gives the rest back. A second call waits for the first. */
  drain(graceMs: number): Promise<void> {
    this.draining ??= Promise.all([
      ...this.pullers.map((puller) => puller.stop(graceMs)),
      ...this.subscriptions.map((subscription) => subscription.close()),
    ]).then(() => undefined);
    return this.draining;
  }

  on(): never {
    throw new Bug('the JetStream transport has no events of its own');
  }

  unwrap<T>(): T {
    return this.options.broker.connection as T;
  }

  private async bindAll(): Promise<void> {
    this.assertHandlers();
    await Promise.all([...this.messageHandlers.values()].map((handler) => this.bind(handler)));
  }

  private found(): FoundHandler[] {
    const found: FoundHandler[] = [];
    for (const first of this.messageHandlers.values()) {
      for (let at: MessageHandler | undefined = first; at; at = at.next as MessageHandler | undefined) {
        const extras = at.extras as Partial<HandlerExtras> | undefined;
        if (extras?.event) found.push({ event: extras.event, name: extras.name ?? 'a handler' });
      }
    }
    return found;
  }

  private async bind(handler: MessageHandler): Promise<void> {
    const { broker, service } = this.options;
    const { event, options } = handler.extras as unknown as HandlerExtras;
    if (event.transport === 'core') {
      this.subscriptions.push(
        broker.listen(event, async (payload, traceparent) => {
          await this.call(handler, new Delivery(event, payload, '', 1, traceparent), payload);
        }),
      );
      return;
    }
    const puller = new Puller({
      broker,
      service,
      event,
      concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
      capacity: this.capacity(options.capacity),
      deliver: (message) => this.deliver(event, handler, message),
    });
    this.pullers.push(puller);
    await puller.start();
  }

  private capacity(source: CapacitySource | undefined): (() => number) | undefined {
    if (source === undefined || typeof source === 'function') return source;
    const resolve = this.options.resolveCapacity;
    if (!resolve) throw new Bug(`nothing resolves the capacity ${String(source)}`);
    return resolve(source);
  }

  private async deliver(event: EventDefinition, handler: MessageHandler, message: JsMsg): Promise<void> {
    const began = performance.now();
    const { ack, error } = await this.judge(event, handler, message);
    const { faults } = this.options;
    try {
      if (ack.kind === 'ack') await faults?.('ack.before');
      answer(message, this.hastened(ack));
      if (ack.kind === 'ack') await faults?.('ack.after');
    } catch (fault) {
      // The message comes again; handlers are idempotent.
      this.options.broker.log('debug', `an acknowledgement was lost: ${errorText(fault)}`, { event: event.name });
    }
    this.options.observe?.({ event, ack, durationMs: performance.now() - began, error });
  }

  private hastened(ack: Ack): Ack {
    const { redeliveryDelayMs } = this.options;
    return ack.kind === 'nak' && redeliveryDelayMs ? { kind: 'nak', delayMs: redeliveryDelayMs(ack.delayMs) } : ack;
  }

  private async judge(
    event: EventDefinition,
    handler: MessageHandler,
    message: JsMsg,
  ): Promise<{ ack: Ack; error: unknown }> {
    const { log } = this.options.broker;
    const decoded = decode(event, message.data);
    const delivery = message.info.deliveryCount;
    const id = message.headers?.get('Nats-Msg-Id') ?? '';
    if (!decoded.ok) {
      log('error', `an event doesn't parse and is set aside: ${decoded.reason}`, { event: event.name, message_id: id });
      return { ack: { kind: 'term', reason: 'the payload does not parse' }, error: decoded.reason };
    }
    const { payload } = decoded;
    const key = `${event.name} ${message.seq}`;
    if (delivery > MAX_DELIVERIES) return this.exhausted(event, payload, key, delivery);
    const context = new Delivery(event, payload, id, delivery, message.headers?.get('traceparent') || null);
    const result = await this.call(handler, context, payload).then(
      (outcome): HandlerResult => ({ ok: true, outcome: outcome ?? undefined }),
      (error: unknown): HandlerResult => ({ ok: false, error }),
    );
    if (result.ok) {
      this.lastErrors.delete(key);
      return { ack: outcomeToAck(result, delivery, Math.random()), error: undefined };
    }
    this.remember(key, result.error);
    return { ack: outcomeToAck(result, delivery, Math.random()), error: result.error };
  }

  private async exhausted(event: EventDefinition, payload: unknown, key: string, delivery: number) {
    const { onExhausted, broker } = this.options;
    const reason = `parked after ${delivery - 1} deliveries`;
    const error =
      this.lastErrors.get(key) ?? new Bug(`${event.name} was delivered ${delivery - 1} times without an answer`);
    try {
      await onExhausted?.(event, payload, error);
      this.lastErrors.delete(key);
      broker.log('error', `${event.name} is ${reason}: ${errorText(error)}`, { event: event.name });
      return { ack: { kind: 'term', reason } as const, error };
    } catch (fault) {
      broker.log('error', `${event.name} can't be parked: ${errorText(fault)}`, { event: event.name });
      return { ack: { kind: 'nak', delayMs: 5_000 } as const, error: fault };
    }
  }

  private call(handler: MessageHandler, delivery: Delivery, payload: unknown): Promise<void | Outcome> {
    const work = async (): Promise<void | Outcome> => {
      const result = this.transformToObservable(await handler(payload, delivery)) as Observable<void | Outcome>;
      return lastValueFrom(result, { defaultValue: undefined });
    };
    return this.options.around ? this.options.around(delivery, work) : work();
  }

  private remember(key: string, error: unknown): void {
    if (this.lastErrors.size >= REMEMBERED_ERRORS) {
      const [oldest] = this.lastErrors.keys();
      if (oldest !== undefined) this.lastErrors.delete(oldest);
    }
    this.lastErrors.set(key, error);
  }
}

function answer(message: JsMsg, ack: Ack): void {
  switch (ack.kind) {
    case 'ack':
      // Not confirmed: an acknowledgement that is lost costs a redelivery, which does no harm.
      message.ack();
      return;
    case 'nak':
      message.nak(ack.delayMs);
      return;
    case 'term':
      message.term(ack.reason);
      return;
  }
}
