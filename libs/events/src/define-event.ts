import type { z } from 'zod';

/**
 * What defines a message: publisher and handler both take this object, so a subject is never spelled twice.
 *
 * `stream` events wake durable consumers and survive a broker's restart; `core` events reach who listens right now.
 * Either way an event only wakes: handlers re-read the state, so losing, repeating or reordering one does no harm.
 */
export interface EventDefinition<Name extends string = string, Payload = unknown> {
  readonly name: Name;
  /** Raised when a payload changes so that old code could not read it. */
  readonly version: number;
  readonly transport: 'stream' | 'core';
  readonly schema: z.ZodType<Payload>;
  /** Subject of one message, without the installation's prefix: `<name>.v<version>.<key>`. */
  subject(payload: Payload): string;
  /** Subject that matches all of this event's messages. */
  readonly filter: string;
  /** The key that `subject` was built from, or null when the subject is another event's. */
  parseSubject(subject: string): string | null;
}

export type PayloadOf<Event> = Event extends EventDefinition<string, infer Payload> ? Payload : never;

/** Subject tokens may hold letters, digits, dashes and underscores. */
const TOKEN = /^[\w-]+$/;

/**
 * @param key the payload's member that becomes the last token of the subject.
 */
export function defineEvent<const Name extends string, Shape extends Record<string, unknown>>(definition: {
  readonly name: Name;
  readonly version?: number;
  readonly transport?: 'stream' | 'core';
  readonly schema: z.ZodType<Shape>;
  readonly key: keyof Shape & string;
}): EventDefinition<Name, Shape> {
  const { name, version = 1, transport = 'stream', schema, key } = definition;
  const base = `${transport === 'core' ? 'live.' : 'event.'}${name}.v${version}`;
  return Object.freeze({
    name,
    version,
    transport,
    schema,
    filter: `${base}.*`,
    subject(payload: Shape): string {
      const token = String(payload[key]);
      if (!TOKEN.test(token)) throw new TypeError(`${name}: "${token}" can't be a subject token`);
      return `${base}.${token}`;
    },
    parseSubject(subject: string): string | null {
      const token = subject.startsWith(`${base}.`) ? subject.slice(base.length + 1) : '';
      return TOKEN.test(token) ? token : null;
    },
  });
}
