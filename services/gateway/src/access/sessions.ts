import type { Id } from '@capstan/domain';
import { newId, type Database, type Role, type Tx } from '@capstan/database';
import type { Caller } from '../http/ask.js';
import { hashOf, newToken } from './token.js';

export const SESSION_COOKIE = 'capstan_session';
/** A session that is used lives on; one that isn't ends after this. */
export const SESSION_DAYS = 30;
/** How often using a session is written down. */
const TOUCH_MINUTES = 5;

interface CallerRow {
  readonly id: Id;
  readonly userId: Id;
  readonly workspaceId: Id;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly stale: boolean;
}

const WHO = `c.user_id, c.workspace_id, u.email, u.name, m.role`;
const JOINS = `join "user" u on u.id = c.user_id
     join membership m on m.user_id = c.user_id and m.workspace_id = c.workspace_id`;

/** Signs somebody in. @returns the cookie's value, which is kept nowhere. */
export async function openSession(tx: Tx, userId: Id, workspaceId: Id): Promise<string> {
  const value = newToken();
  await tx.query(
    `insert into session (id, user_id, workspace_id, token_hash, expires_at)
     values ($1, $2, $3, $4, now() + $5 * interval '1 day')`,
    [newId(), userId, workspaceId, hashOf(value), SESSION_DAYS],
  );
  return value;
}

/** Whose session it is, or null. `slid`: it was prolonged, and the browser should keep its cookie for longer. */
export async function callerOfSession(
  database: Database,
  value: string,
): Promise<{ readonly caller: Caller; readonly slid: boolean } | null> {
  const [row] = await database.query<CallerRow>(
    `select c.id, ${WHO}, c.last_seen_at < now() - $2 * interval '1 minute' as stale
       from session c ${JOINS} where c.token_hash = $1 and c.expires_at > now()`,
    [hashOf(value), TOUCH_MINUTES],
  );
  if (row === undefined) return null;
  if (row.stale)
    await database.query(
      `update session set last_seen_at = now(), expires_at = now() + $2 * interval '1 day' where id = $1`,
      [row.id, SESSION_DAYS],
    );
  return { caller: callerFrom(row, 'session', row.id), slid: row.stale };
}

/** Whose access token it is, or null. */
export async function callerOfToken(database: Database, value: string): Promise<Caller | null> {
  const [row] = await database.query<CallerRow>(
    `select c.id, ${WHO}, coalesce(c.last_used_at < now() - $2 * interval '1 minute', true) as stale
       from token c ${JOINS} where c.token_hash = $1`,
    [hashOf(value), TOUCH_MINUTES],
  );
  if (row === undefined) return null;
  if (row.stale) await database.query('update token set last_used_at = now() where id = $1', [row.id]);
  return callerFrom(row, 'token', row.id);
}

/** The first user, as whom the terminal of this machine acts; null before the set-up. */
export async function firstUser(database: Database): Promise<Caller | null> {
  const [row] = await database.query<CallerRow>(
    `select u.id, u.id as user_id, m.workspace_id, u.email, u.name, m.role, false as stale
       from "user" u join membership m on m.user_id = u.id join workspace w on w.id = m.workspace_id
      order by u.created_at, u.id, w.created_at limit 1`,
  );
  return row === undefined ? null : callerFrom(row, 'terminal', null);
}

/** Of these sessions and tokens, those that are still good. */
export async function stillGood(database: Database, ids: readonly Id[]): Promise<ReadonlySet<Id>> {
  const rows = await database.query<{ id: Id }>(
    `select id from session where id = any($1) and expires_at > now() union all select id from token where id = any($1)`,
    [ids],
  );
  return new Set(rows.map(({ id }) => id));
}

function callerFrom(row: CallerRow, via: Caller['via'], credentialId: Id | null): Caller {
  const { userId, workspaceId, email, name, role } = row;
  return { userId, workspaceId, email, name, role, via, credentialId };
}
