import type { ParkedRow } from '#lib/api/types.ts';

/** What each kind of parked row is called where it stands as a label. */
export const PARKED_KINDS: Readonly<Record<ParkedRow['kind'], string>> = {
  task: 'Task',
  task_request: 'Request',
  run: 'Run',
  pod: 'Pod',
  pull_request: 'Pull request',
  effect: 'Write',
  ticket_source: 'Ticket source',
  ticket: 'Ticket',
  delivery: 'Delivery',
  outbox: 'Event',
};
