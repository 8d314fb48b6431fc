import { TransientError, UserError, backoffMs } from '@capstan/domain';
import type { RemoteTicket } from '@capstan/tickets';

/** An opening that is known already. */
export interface KnownOpening {
  readonly key: string;
  readonly openedAt: Date;
}

/** Openings that become tasks: open, labelled, and later than every opening of the same ticket that is known. */
export function decideImport(
  label: string,
  tickets: readonly RemoteTicket[],
  known: readonly KnownOpening[],
): readonly RemoteTicket[] {
  const newest = new Map<string, number>();
  for (const { key, openedAt } of known) newest.set(key, Math.max(newest.get(key) ?? 0, openedAt.getTime()));
  const fresh = new Map<string, RemoteTicket>();
  for (const ticket of tickets) {
    const openedAt = Date.parse(ticket.openedAt);
    const labelled = ticket.labels.some((each) => each.toLowerCase() === label.toLowerCase());
    if (ticket.state !== 'open' || !labelled || Number.isNaN(openedAt)) continue;
    if (openedAt <= (newest.get(ticket.key) ?? -Infinity)) continue;
    const other = fresh.get(ticket.key);
    if (other === undefined || Date.parse(other.openedAt) < openedAt) fresh.set(ticket.key, ticket);
  }
  return [...fresh.values()].sort((a, b) => Date.parse(a.openedAt) - Date.parse(b.openedAt));
}

/** When to poll again, ms: at the interval ±10 %, or later and later while it fails. */
export function nextPollMs(
  intervalMs: number,
  failure: { readonly attempts: number; readonly retryAfterMs?: number } | null,
  random: number,
): number {
  if (failure === null) return Math.round(intervalMs * (0.9 + 0.2 * random));
  const wait = backoffMs(failure.attempts, random, { baseMs: intervalMs, maxMs: Math.max(600_000, intervalMs) });
  return Math.max(wait, failure.retryAfterMs ?? 0);
}

/**
 * Whether a poll failed otherwise than by a tracker's outage or its refusal, which have words and cures of their own:
 * such failures are parked at the cap.
 */
export function isSurprise(error: unknown): boolean {
  return !(error instanceof UserError) && !(error instanceof TransientError);
}

/** An etag counts for the project and label that it was given for. */
export function storedEtag(project: string, label: string, etag: string | null): string | null {
  return etag === null ? null : JSON.stringify([project, label, etag]);
}

/** The etag to poll with, null when it was given for something else. */
export function usableEtag(project: string, label: string, stored: string | null): string | null {
  if (stored === null) return null;
  try {
    const [forProject, forLabel, etag] = JSON.parse(stored) as readonly unknown[];
    return forProject === project && forLabel === label && typeof etag === 'string' ? etag : null;
  } catch {
    return null; // written by somebody else: polled anew
  }
}
