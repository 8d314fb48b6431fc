import { Bug, type ForgePurpose, type Id } from '@capstan/domain';
import type { Database, Ticket, TicketSource } from '@capstan/database';
import { forge } from '@capstan/forges';
import { tracker as trackerNamed, type TicketConnection, type Tickets } from '@capstan/tickets';
import { forgeCredential, type Vault } from '@capstan/service-kit';

/** A source of tickets and the way to its tracker. Holds the token: never logged, never stored. */
export interface SourceAccess {
  readonly tracker: Tickets;
  readonly connection: TicketConnection;
}

type TrackerPurpose = Extract<ForgePurpose, 'read_tickets' | 'write_tickets'>;

/** The forge whose apps a kind of tracker knows too: there an app makes its token. */
const FORGES: Readonly<Record<string, string>> = { 'github-issues': 'github' };

/** Opens the way to trackers. */
export class TrackerAccess {
  constructor(
    readonly database: Database,
    readonly vault: Vault,
  ) {}

  /**
   * The way for one purpose. Throws UserError `credential_missing` without the source's credential and `tracker_unknown`,
   * and what the forge says of an app (`Forge.token`).
   */
  async of(source: TicketSource, purpose: TrackerPurpose): Promise<SourceAccess> {
    const { workspaceId, repositoryId, credentialSecret: name, project, apiUrl } = source;
    const credential = await forgeCredential(this, { workspaceId, repositoryId, name });
    const token =
      credential.kind === 'token'
        ? credential.token
        : await forgeOf(source).token({ fullName: project, apiUrl, credential }, purpose);
    return { tracker: trackerNamed(source.kind), connection: { project, apiUrl, token } };
  }

  /** The tracker refused what it was asked with: an app makes a new token next time. */
  refused(source: TicketSource, { connection }: SourceAccess): void {
    if (source.kind in FORGES) forgeOf(source).refused(connection.token);
  }

  /** The ticket that an effect is about, and its source. */
  async ofTicket(
    ticketId: Id,
    purpose: TrackerPurpose = 'write_tickets',
  ): Promise<SourceAccess & { readonly ticket: Ticket }> {
    const [ticket] = await this.database.query<Ticket>('select * from ticket where id = $1', [ticketId]);
    if (ticket === undefined) throw new Bug(`no ticket ${ticketId}`);
    const [source] = await this.database.query<TicketSource>('select * from ticket_source where id = $1', [
      ticket.sourceId,
    ]);
    if (source === undefined) throw new Bug(`no source of ticket ${ticketId}`);
    return { ticket, ...(await this.of(source, purpose)) };
  }
}

function forgeOf({ kind }: TicketSource) {
  const name = FORGES[kind];
  if (name === undefined) throw new Bug(`a source of kind ${kind} names an app of a forge`);
  return forge(name);
}
