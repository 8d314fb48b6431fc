import { errorText } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';

export type Decoded<Payload> =
  { readonly ok: true; readonly payload: Payload } | { readonly ok: false; readonly reason: string };

/** Reads a message's bytes as the payload of `event`. The reason names fields, never values. */
export function decode<Payload>(event: EventDefinition<string, Payload>, data: Uint8Array): Decoded<Payload> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(data));
  } catch (error) {
    return { ok: false, reason: `not JSON: ${errorText(error)}` };
  }
  const parsed = event.schema.safeParse(value);
  if (parsed.success) return { ok: true, payload: parsed.data };
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'payload'}: ${message}`);
  return { ok: false, reason: issues.join('; ') };
}
