export { assertHandlers, type FoundHandler } from './boot-check.js';
export { Broker, connectBroker, type BrokerOptions, type BrokerStatus, type Subscription } from './broker.js';
export type { BrokerLog } from './log.js';
export { Delivery, Handles, type CapacitySource, type HandlesOptions } from './handles.js';
export {
  JetStreamServer,
  type ExhaustedHook,
  type HandledObservation,
  type JetStreamServerOptions,
} from './jetstream-server.js';
export { outcomeToAck, type Ack, type HandlerResult, type Outcome } from './outcome.js';
export { durableName, streamName, subjectOf } from './topology.js';
export { isAtLeast } from './version.js';
