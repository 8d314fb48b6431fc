import { Bug, type Id } from '@capstan/domain';
import type { Database, Ticket, TicketSource } from '@capstan/database';
import { tracker as trackerNamed, type TicketConnection, type Tickets } from '@capstan/tickets';
import type { Vault } from '@capstan/service-kit';

/** A source of tickets and the way to its tracker. Holds the token: never logged, never stored. */
export interface SourceAccess {
  readonly tracker: Tickets;
  readonly connection: TicketConnection;
}

/** Opens the way to trackers. */
export class TrackerAccess {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
  ) {}

  /** Throws UserError `credential_missing` without the source's token and `tracker_unknown`. */
  async of(source: TicketSource): Promise<SourceAccess> {
    const token = await this.vault.require({
      workspaceId: source.workspaceId,
      repositoryId: source.repositoryId,
      name: source.credentialSecret,
    });
    return {
      tracker: trackerNamed(source.kind),
      connection: { project: source.project, apiUrl: source.apiUrl, token },
    };
  }

  /** The ticket that an effect is about, and its source. */
  async ofTicket(ticketId: Id): Promise<SourceAccess & { readonly ticket: Ticket }> {
    const [ticket] = await this.database.query<Ticket>('select * from ticket where id = $1', [ticketId]);
    if (ticket === undefined) throw new Bug(`no ticket ${ticketId}`);
    const [source] = await this.database.query<TicketSource>('select * from ticket_source where id = $1', [
      ticket.sourceId,
    ]);
    if (source === undefined) throw new Bug(`no source of ticket ${ticketId}`);
    return { ticket, ...(await this.of(source)) };
  }
}
