import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { errorText } from '@capstan/domain';
import { CATALOG, type EventDefinition } from '@capstan/events';
import { Broker, type Subscription } from '@capstan/jetstream';
import { LOGGER, type Logger } from '@capstan/service-kit';

type Listener = (event: EventDefinition, payload: unknown) => void;

/** Wait before the broker is asked again, ms. */
const RETRY_MS = 1_000;

/** Every stream event, as this replica alone sees it. What is missed here is repaired by reading: it only wakes. */
@Injectable()
export class EventTail implements OnModuleInit, OnModuleDestroy {
  private readonly listeners = new Set<Listener>();
  private readonly gaps = new Set<() => void>();
  private subscription: Subscription | undefined;
  private retry: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly broker: Broker,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Not awaited: the gateway comes up without NATS too. */
  onModuleInit(): void {
    void this.open();
  }

  async onModuleDestroy(): Promise<void> {
    this.closed = true;
    clearTimeout(this.retry);
    await this.subscription?.close();
  }

  /** @returns forgets the listener. */
  on(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Called when events may have been missed. */
  onGap(listener: () => void): () => void {
    this.gaps.add(listener);
    return () => this.gaps.delete(listener);
  }

  private async open(): Promise<void> {
    const events = CATALOG.filter(({ transport }) => transport === 'stream');
    try {
      const subscription = await this.broker.tail(
        events as readonly EventDefinition[],
        (event, payload) => this.listeners.forEach((listener) => listener(event, payload)),
        { onGap: () => this.gaps.forEach((listener) => listener()) },
      );
      if (this.closed) return void (await subscription.close());
      this.subscription = subscription;
    } catch (error) {
      if (this.closed) return;
      this.logger.warn({ reason: errorText(error) }, 'events can not be followed yet');
      this.retry = setTimeout(() => void this.open(), RETRY_MS);
    }
  }
}
