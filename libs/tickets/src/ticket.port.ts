/** How to reach one source of tickets. */
export interface TicketConnection {
  /** `owner/name` for github-issues. */
  readonly project: string;
  readonly apiUrl: string;
  readonly token: string;
}

export interface TicketComment {
  readonly id: string;
  readonly author: string;
  readonly body: string;
  readonly createdAt: string;
}

export interface RemoteTicket {
  /** The tracker's own key, e.g. `42`. */
  readonly key: string;
  readonly url: string;
  readonly title: string;
  readonly body: string;
  readonly state: 'open' | 'closed';
  readonly labels: readonly string[];
  readonly author: string;
  readonly updatedAt: string;
  /** Counts openings: a reopened ticket is a new opening, and so may become a new task. ISO 8601 of the opening. */
  readonly openedAt: string;
}

export interface TicketPage {
  /** Null: nothing has changed since `etag`. */
  readonly tickets: readonly RemoteTicket[] | null;
  /** Pass to the next poll of the same project and label. Opaque; null when the tracker gave none. */
  readonly etag: string | null;
}

/**
 * Where work comes from. Errors as in the forge port: `TransientError` (with `retryAfterMs` where the tracker gave one)
 * for what may pass, `UserError` with code `credential_refused`, `remote_not_found`, `permission_missing` or `tracker_refused`
 * for what won't. Writes are sent at most once, and none leaves later than 10 s after the call or after `signal` aborts.
 */
export interface Tickets {
  readonly name: string;
  /** Open tickets with the label. */
  poll(connection: TicketConnection, label: string, etag: string | null, signal?: AbortSignal): Promise<TicketPage>;
  /** One ticket in any state. */
  ticket(connection: TicketConnection, key: string, signal?: AbortSignal): Promise<RemoteTicket>;
  /** All comments, oldest first. */
  comments(connection: TicketConnection, key: string, signal?: AbortSignal): Promise<readonly TicketComment[]>;
  /** The oldest comment that ends with the marker (a quoted marker in the middle is somebody else's), else null. */
  findComment(
    connection: TicketConnection,
    key: string,
    marker: string,
    signal?: AbortSignal,
  ): Promise<{ readonly id: string } | null>;
  comment(
    connection: TicketConnection,
    key: string,
    body: string,
    signal?: AbortSignal,
  ): Promise<{ readonly id: string }>;
  /** Idempotent. */
  deleteComment(connection: TicketConnection, id: string, signal?: AbortSignal): Promise<void>;
  /** Idempotent. */
  close(connection: TicketConnection, key: string, signal?: AbortSignal): Promise<void>;
}
