/** Injection tokens of what every service gets. `Database`, `Broker` and `Loops` can also be injected by class. */
export const DATABASE = Symbol.for('capstan.database');
export const BROKER = Symbol.for('capstan.broker');
/** The service's own child of the process's logger. */
export const LOGGER = Symbol.for('capstan.logger');
/** What was given to `startService` as `config`. */
export const CONFIG = Symbol.for('capstan.config');
export const METRICS = Symbol.for('capstan.metrics');
export const HEALTH = Symbol.for('capstan.health');
/** The host's `FaultPort`. */
export const FAULTS = Symbol.for('capstan.faults');
/** `{ service, instance }`: the name of this replica, for leases and workers. */
export const IDENTITY = Symbol.for('capstan.identity');
/**
 * Provided by the service's module if at all: an `ExhaustedHook` that parks the row an event is about, before its
 * handler would be called once too often.
 */
export const ON_EXHAUSTED = Symbol.for('capstan.on-exhausted');

/** Which replica of which service this is. */
export interface Identity {
  readonly service: string;
  /** Unique among all processes that ever ran, e.g. `scheduler-1f3a9c20`. */
  readonly instance: string;
}
