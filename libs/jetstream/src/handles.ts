import { Catch, UseFilters, type ExceptionFilter } from '@nestjs/common';
import { BaseRpcContext, Ctx, EventPattern, Payload as PayloadParameter } from '@nestjs/microservices';
import type { EventDefinition } from '@capstan/events';
import { throwError, type Observable } from 'rxjs';
import type { Outcome } from './outcome.js';

/** Nest's transport id of {@link JetStreamServer}; only `@Handles` methods are bound to it. */
export const JETSTREAM = Symbol.for('capstan.jetstream');

/** Says how many more messages the service can take right now: a function, or the injection token of one. */
export type CapacitySource = (() => number) | symbol | string;

export interface HandlesOptions {
  /** Never more messages are fetched than this answers; asked again each 100 ms and after each message. */
  readonly capacity?: CapacitySource;
  /** Messages worked on at the same time by one replica. Default 32. */
  readonly concurrency?: number;
}

/** What `@Handles` leaves on a method for the server. */
export interface HandlerExtras {
  readonly event: EventDefinition;
  readonly name: string;
  readonly options: HandlesOptions;
}

/** What a handler may know about a message; its second argument. It can't acknowledge: it returns an Outcome. */
export class Delivery extends BaseRpcContext<[unknown]> {
  constructor(
    readonly event: EventDefinition,
    payload: unknown,
    /** Id of the outbox row, the same at each delivery. */
    readonly id: string,
    /** 1 for the first. */
    readonly delivery: number,
    readonly traceparent: string | null,
  ) {
    super([payload]);
  }
}

/** Lets a handler's error reach the server as it is; Nest would make "Internal server error" of it. */
@Catch()
class RethrowFilter implements ExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

type Handler<Payload> = (payload: Payload, delivery: Delivery) => Promise<void | Outcome>;

/**
 * The method is called with each message of `event`, parsed: at least once, perhaps late, perhaps out of order.
 * Throwing is answered by error family (see `outcomeToAck`).
 */
export function Handles<Payload>(event: EventDefinition<string, Payload>, options: HandlesOptions = {}) {
  return <Method extends Handler<Payload>>(
    target: object,
    property: string | symbol,
    descriptor: TypedPropertyDescriptor<Method>,
  ): void => {
    const extras: HandlerExtras = {
      event: event as EventDefinition,
      name: `${target.constructor.name}.${String(property)}`,
      options,
    };
    // Without them Nest passes the payload alone.
    PayloadParameter()(target, property, 0);
    Ctx()(target, property, 1);
    UseFilters(RethrowFilter)(target, property, descriptor);
    const decorate = EventPattern<string>(`${event.name}.v${event.version}`, JETSTREAM, extras) as MethodDecorator;
    decorate(target, property, descriptor as TypedPropertyDescriptor<unknown>);
  };
}
