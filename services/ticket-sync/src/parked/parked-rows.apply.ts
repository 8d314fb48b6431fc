import type { Ticket } from '@capstan/database';
import type { EffectKind } from '@capstan/domain';
import { parkedEffect, type EffectHandler, type ParkedVerb, type ParkedVerbs } from '@capstan/service-kit';
import { REPORTS } from '../report/report.decide.js';

export interface ParkedParts {
  readonly handlers: Partial<Record<EffectKind, EffectHandler>>;
  /** Wakes the reports and the effects. */
  readonly wake: () => void;
}

/** Comments and closes that failed at their cap, and tickets that could not be reported on. */
export function parkedVerbs({ handlers, wake }: ParkedParts): ParkedVerbs {
  return {
    effect: parkedEffect({ handlers, wake, dropped: async () => 'the ticket is not told, and its task goes on' }),
    ticket: { ...PARKED_TICKET, wake } satisfies ParkedVerb<Ticket>,
  };
}

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
