import type { Ticket, TicketSource } from '@capstan/database';
import { ticketSourceChanged } from '@capstan/events';
import type { EffectKind } from '@capstan/domain';
import { parkedEffect, type EffectHandler, type ParkedVerb, type ParkedVerbs } from '@capstan/service-kit';
import { REPORTS } from '../report/report.decide.js';

export interface ParkedParts {
  readonly handlers: Partial<Record<EffectKind, EffectHandler>>;
  /** Wakes the reports and the effects. */
  readonly wake: () => void;
  readonly wakeImport: () => void;
}

/** Comments and closes that failed at their cap, tickets that could not be reported on, sources that could not be read. */
export function parkedVerbs({ handlers, wake, wakeImport }: ParkedParts): ParkedVerbs {
  return {
    effect: parkedEffect({ handlers, wake, dropped: async () => 'the ticket is not told, and its task goes on' }),
    ticket_source: { ...PARKED_SOURCE, wake: wakeImport } satisfies ParkedVerb<TicketSource>,
    ticket: { ...PARKED_TICKET, wake } satisfies ParkedVerb<Ticket>,
  };
}

const PARKED_SOURCE: ParkedVerb<TicketSource> = {
  replay: async () => 'Its tickets are looked for again',
  drop: async (tx, { id }, { words }) => {
    const [row] = await tx.query<TicketSource>(
      `update ticket_source set enabled = false, parked_at = null, attempts = 0, surprises = 0, last_error = $2, version = version + 1
        where id = $1 returning *`,
      [id, words],
    );
    const { workspaceId, version } = row!;
    await tx.emit(ticketSourceChanged, { workspaceId, ticketSourceId: id, version });
    return 'The source is switched off: no further ticket becomes a task';
  },
};

const PARKED_TICKET: ParkedVerb<Ticket> = {
  replay: async () => 'The ticket is reported on again',
  drop: async (tx, { id }, { words }) => {
    await tx.query('update ticket set parked_at = null, attempts = 0, reported = $2, last_error = $3 where id = $1', [
      id,
      [...REPORTS, 'closed'],
      words,
    ]);
    return 'Nothing more is said on the ticket, and Capstan does not close it';
  },
};
