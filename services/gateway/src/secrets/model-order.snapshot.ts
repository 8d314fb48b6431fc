import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ModelOrderEntry } from '@capstan/api';
import type { Tx } from '@capstan/database';
import { errorText, type Id, type ModelProtocol } from '@capstan/domain';

/** Beyond this nobody waits for a name server. ms */
const LOOK_UP_MS = 5_000;

/** An order that somebody wants, and everything that it is judged by. */
export interface OrderSnapshot {
  readonly protocol: ModelProtocol;
  readonly entries: readonly ModelOrderEntry[];
  /** Names of secrets that are for forges and trackers. */
  readonly reserved: ReadonlySet<string>;
  /** What the hosts of its compatible providers lead to. */
  readonly places: ReadonlyMap<string, PlaceSight>;
  /** Addresses of this machine's interfaces. */
  readonly own: ReadonlySet<string>;
}

type PlaceSight = { readonly addresses: readonly string[] } | { readonly error: string };

/** Looks every host of an order up, as egress would. */
export async function lookAtPlaces(entries: readonly ModelOrderEntry[]): Promise<OrderSnapshot['places']> {
  const hosts = entries.flatMap((entry) => (entry.kind === 'compatible' ? [new URL(entry.baseUrl).hostname] : []));
  return new Map(await Promise.all([...new Set(hosts)].map(async (host) => [host, await sightOf(host)] as const)));
}

/** The names of secrets that the workspace shows to forges and trackers. */
export async function readReserved(tx: Tx, workspaceId: Id): Promise<OrderSnapshot['reserved']> {
  const rows = await tx.query<{ name: string }>(
    `select credential_secret as name from repository where workspace_id = $1
      union select credential_secret from ticket_source where workspace_id = $1
      union select unnest(array[credential_secret, webhook_secret]) from forge_app where workspace_id = $1`,
    [workspaceId],
  );
  return new Set(rows.map(({ name }) => name));
}

export function ownAddresses(): OrderSnapshot['own'] {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)));
}

async function sightOf(hostname: string): Promise<PlaceSight> {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host)) return { addresses: [host] };
  let late: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`no answer within ${LOOK_UP_MS / 1_000} seconds`)), LOOK_UP_MS);
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), tooLate]);
    return { addresses: found.map(({ address }) => address) };
  } catch (error) {
    return { error: errorText(error) };
  } finally {
    clearTimeout(late);
  }
}
