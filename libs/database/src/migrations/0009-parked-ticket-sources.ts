import type { Migration } from './migration.js';

/** A source of tickets whose polls fail for no known reason is set aside like any other row. */
export const parkedTicketSources: Migration = {
  name: '0009-parked-ticket-sources',
  statements: () => [
    // Outages and refused credentials count as attempts, too, and never park: they have words of their own.
    `alter table ticket_source add column parked_at timestamptz, add column last_error_code text,
       add column surprises int not null default 0`,
    `create index ticket_source_parked on ticket_source (parked_at desc, id desc) where parked_at is not null`,
  ],
};
