import {
  errorAdvice,
  errorText,
  isSymptomCode,
  parkedOwner,
  type Actor,
  type EffectKind,
  type Id,
} from '@capstan/domain';
import type { ParkedAction, ParkedKind } from '@capstan/domain';
import { parkedRowChanged, parkedRowRequested } from '@capstan/events';
import { newId, type Database, type Tx } from './database.js';
import { ParkedRequest } from './entities/index.js';

/** Tables whose rows the functions below set aside. The others have verbs of their own for it. */
export type ParkingTable = Extract<ParkedKind, 'task' | 'task_request' | 'pod' | 'ticket' | 'delivery' | 'outbox'>;

/** Failed attempts at a row before it is parked for a person. */
export const MAX_ROW_ATTEMPTS = 8;
const FIRST_WAIT_S = 5;
const LONGEST_WAIT_S = 600;

/** An error as a row keeps it: its words, and its code where the symptom registry has an entry. */
export function rowError(error: unknown): { readonly text: string; readonly code: string | null } {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  const known = typeof code === 'string' && isSymptomCode(code) ? code : null;
  // What helps is shown with the symptom; where there is none, it has to stand with the error.
  return { text: (known === null ? errorAdvice(error) : errorText(error)).slice(0, 4_000), code: known };
}

/** Counts a failed attempt at a row: events and resync leave it alone for a while, at the cap until a person replays it. */
export async function failRow(
  database: Database,
  table: ParkingTable,
  id: Id,
  error: unknown,
): Promise<{ readonly parked: boolean }> {
  const { text, code } = rowError(error);
  return database.transaction(async (tx) => {
    const [row] = await tx.query<Partial<ParkedRow>>(
      `update "${table}" set attempts = attempts + 1, last_error = $2, last_error_code = $6,
              ${waitOf(table)} = clock_timestamp() + least($3 * power(2, attempts), $4) * interval '1 s',
              parked_at = case when attempts + 1 >= $5 then clock_timestamp() end
        where id = $1 and parked_at is null returning *`,
      [id, text, FIRST_WAIT_S, LONGEST_WAIT_S, MAX_ROW_ATTEMPTS, code],
    );
    const parked = row?.parkedAt != null;
    if (parked) await tellParked(tx, table, { id, ...row });
    return { parked };
  });
}

/**
 * Sets a row aside at once. Whoever was woken for it may: setting aside changes nothing but whether it is looked at,
 * and doing it twice is doing it once.
 */
export async function parkRow(database: Database, table: ParkingTable, id: Id, error: unknown): Promise<void> {
  const { text, code } = rowError(error);
  await database.transaction(async (tx) => {
    const [row] = await tx.query<Partial<ParkedRow>>(
      `update "${table}" set parked_at = clock_timestamp(), last_error = $2, last_error_code = $3
        where id = $1 and parked_at is null returning *`,
      [id, text, code],
    );
    if (row !== undefined) await tellParked(tx, table, { id, ...row });
  });
}

/** Forgets former failures of a row that has just worked. */
export async function clearRow(database: Database, table: ParkingTable, id: Id): Promise<void> {
  const wait = table === 'task' ? ', retry_at = null' : '';
  await database.query(
    `update "${table}" set attempts = 0, last_error = null, last_error_code = null${wait} where id = $1 and attempts > 0`,
    [id],
  );
}

/** What else was written when a row was parked, as far as others are told. */
interface ParkedRow {
  readonly id: Id;
  readonly workspaceId: Id;
  readonly parkedAt: Date | null;
}

/** Says that a row was parked, in the transaction that did so. */
export async function tellParked(
  tx: Tx,
  kind: ParkedKind,
  row: { readonly id: Id; readonly workspaceId?: Id },
): Promise<void> {
  await tx.emit(parkedRowChanged, { kind, rowId: row.id, workspaceId: row.workspaceId ?? null });
}

/**
 * A row as it was before its first failure, but for what is known of the last one. For its owner, who then goes on
 * with it. Answers what it was; null when it isn't parked (any more).
 */
export async function unparkRow<Row>(tx: Tx, kind: ParkedKind, id: Id): Promise<Row | null> {
  const wait = kind in DUE_NOW ? DUE_NOW[kind] : `${waitOf(kind)} = null`;
  const [row] = await tx.query<Row>(
    `update "${kind}" set parked_at = null, attempts = 0, ${wait} where id = $1 and parked_at is not null returning *`,
    [id],
  );
  return row ?? null;
}

/** Rows that are looked at by a time of their own. */
const DUE_NOW: Partial<Record<ParkedKind, string>> = {
  pull_request: 'next_check_at = clock_timestamp()',
  ticket_source: 'next_poll_at = clock_timestamp(), surprises = 0',
};

function waitOf(kind: ParkedKind): string {
  return kind === 'task' ? 'retry_at' : 'not_before';
}

export interface NewParkedRequest {
  readonly workspaceId: Id;
  readonly kind: ParkedKind;
  readonly rowId: Id;
  /** Of an effect: which one it is says who executes it. */
  readonly effectKind: EffectKind | null;
  readonly action: ParkedAction;
  readonly reason: string | null;
  readonly actor: Actor;
}

/** Writes down what somebody asks of a parked row; the row's owner applies it and writes the answer. */
export async function requestOfParkedRow(tx: Tx, request: NewParkedRequest): Promise<{ readonly id: Id }> {
  const { effectKind, ...row } = request;
  const { workspaceId, kind, rowId } = request;
  const id = newId();
  const owner = parkedOwner(kind, effectKind);
  await tx.insert(ParkedRequest, { id, owner, ...row });
  await tx.emit(parkedRowRequested, { workspaceId, kind, rowId, requestId: id, owner });
  return { id };
}
