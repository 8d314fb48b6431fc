/** The broker's topology as data; libs/jetstream makes it so. */
export const STREAM = {
  /** Stream name, after the installation's prefix. */
  name: 'EVENTS',
  subjects: ['event.>'],
  /** What is older has been repaired by a resync long ago. ms */
  maxAgeMs: 24 * 3_600_000,
  maxBytes: 1_073_741_824,
  /** Nats-Msg-Id duplicates are dropped within this window. ms */
  duplicateWindowMs: 120_000,
} as const;

/** Deliveries of one message before it is set aside and left to the resync. */
export const MAX_DELIVERIES = 8;

/** Oldest broker that Capstan works with. */
export const MIN_NATS_VERSION = '2.10.0';
