import { UserError } from '@capstan/domain';
import type { EventDefinition } from '@capstan/events';

/** A method that was found to handle an event. */
export interface FoundHandler {
  readonly event: EventDefinition;
  /** `Class.method`, for the message. */
  readonly name: string;
}

/**
 * A service declares what it consumes; its handlers must be exactly that, one each.
 * @throws UserError `handlers_mismatch` that names every event that is missing, handled twice, or not declared.
 */
export function assertHandlers(
  service: string,
  declared: readonly EventDefinition[],
  found: readonly FoundHandler[],
): void {
  const faults: string[] = [];
  const names = (event: EventDefinition) => found.filter((each) => key(each.event) === key(event));
  for (const event of declared) {
    const handlers = names(event);
    if (handlers.length === 0) faults.push(`nothing handles ${key(event)}`);
    if (handlers.length > 1)
      faults.push(`${key(event)} is handled twice: ${handlers.map(({ name }) => name).join(', ')}`);
  }
  const known = new Set(declared.map(key));
  for (const { event, name } of found) {
    if (!known.has(key(event))) faults.push(`${name} handles ${key(event)}, which the service doesn't declare`);
  }
  if (faults.length === 0) return;
  throw new UserError(`${service} can't start: ${faults.join('; ')}`, {
    code: 'handlers_mismatch',
  });
}

const key = (event: EventDefinition): string => `${event.name}.v${event.version}`;
