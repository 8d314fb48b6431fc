import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { STREAM, type EventDefinition } from '@capstan/events';

/** A replica that says nothing about a message for this long has lost it. Handlers beat each third of it. ms */
export const ACK_WAIT_MS = 30_000;

/** Ceiling on unanswered messages of one consumer, far above what all replicas ever hold. */
const MAX_ACK_PENDING = 10_000;

/** How far back a consumer begins that is made anew. What is older is the resync's. ms */
const LOOK_BACK_MS = 10 * 60_000;

/** `capstan` → `CAPSTAN_EVENTS`. */
export function streamName(prefix: string): string {
  return `${prefix.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}_${STREAM.name}`;
}

/** Subject of a message, or of an event's filter, in one installation. */
export function subjectOf(prefix: string, subject: string): string {
  return `${prefix}.${subject}`;
}

/** Durable of one service for one event: `scheduler_task-created`. A version above 1 has a consumer of its own. */
export function durableName(service: string, event: EventDefinition): string {
  const name = event.name.replaceAll('.', '-');
  return event.version === 1 ? `${service}_${name}` : `${service}_${name}_v${event.version}`;
}

export function streamConfig(prefix: string, replicas: number): Partial<StreamConfig> & { name: string } {
  return {
    name: streamName(prefix),
    subjects: STREAM.subjects.map((subject) => subjectOf(prefix, subject)),
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_age: nanos(STREAM.maxAgeMs),
    max_bytes: STREAM.maxBytes,
    duplicate_window: nanos(STREAM.duplicateWindowMs),
    num_replicas: replicas,
  };
}

/** @param nowMs Unix time by the server's clock; the consumer starts a little before it. */
export function consumerConfig(prefix: string, service: string, event: EventDefinition, nowMs: number): ConsumerConfig {
  return {
    durable_name: durableName(service, event),
    filter_subject: subjectOf(prefix, event.filter),
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(nowMs - LOOK_BACK_MS).toISOString(),
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: MAX_ACK_PENDING,
    // Counted by the server, judged by us: a message above the cap is parked, not silently forgotten.
    max_deliver: -1,
  } as ConsumerConfig;
}

/** Creates the stream, or brings its limits up to date. Answers whether it had to be created. */
export async function ensureStream(jsm: JetStreamManager, prefix: string, replicas: number): Promise<boolean> {
  const config = streamConfig(prefix, replicas);
  try {
    const { config: found } = await jsm.streams.info(config.name);
    const differs =
      found.max_age !== config.max_age ||
      found.max_bytes !== config.max_bytes ||
      found.duplicate_window !== config.duplicate_window ||
      found.num_replicas !== config.num_replicas ||
      String(found.subjects) !== String(config.subjects);
    if (differs) await jsm.streams.update(config.name, config);
    return false;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  // Another process may be first: creating the same stream twice is no error.
  await jsm.streams.add(config);
  return true;
}

/** Creates the durable consumer when it isn't there. Answers whether it had to be created. */
export async function ensureConsumer(
  jsm: JetStreamManager,
  prefix: string,
  service: string,
  event: EventDefinition,
): Promise<boolean> {
  const stream = streamName(prefix);
  const durable = durableName(service, event);
  if (await exists(jsm, stream, durable)) return false;
  try {
    // By the server's clock: one that began in a fast client's future would be given nothing until then.
    const { ts } = await jsm.streams.info(stream);
    await jsm.consumers.add(
      stream,
      consumerConfig(prefix, service, event, ts === undefined ? Date.now() : Date.parse(ts)),
    );
    return true;
  } catch (error) {
    // A sibling made it in between, with another start time.
    if (await exists(jsm, stream, durable)) return false;
    throw error;
  }
}

async function exists(jsm: JetStreamManager, stream: string, durable: string): Promise<boolean> {
  try {
    await jsm.consumers.info(stream, durable);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The server answered that the stream or the consumer isn't there. */
export function isMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.status === 404;
}
