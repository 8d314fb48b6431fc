import type { Me } from '@capstan/api';
import { UserError, type Id } from '@capstan/domain';
import { newId, type Database, type Tx } from '@capstan/database';
import type { Caller } from '../http/ask.js';
import { attemptKeys, countAttempt, forgiveAttempt, lockWhenSpent } from './attempts.js';
import { audit } from './audit.js';
import { readMe } from './me.reader.js';
import { verifyPassword } from './password.js';
import { openSession } from './sessions.js';
import { hashOf, newToken } from './token.js';

/** How long a one-time link is good. */
const LINK_MINUTES = 10;

export interface SignedIn {
  readonly me: Me;
  /** The session cookie's value. */
  readonly session: string;
}

interface Account {
  readonly id: Id;
  readonly passwordHash: string;
  readonly workspaceId: Id;
}

/**
 * @param address of the peer; wrong passwords are counted for it and for the account.
 * @throws UserError 401 `sign_in_refused` for a wrong password and for an unknown account alike; TooOften when locked.
 */
export async function signIn(
  database: Database,
  { email, password }: { readonly email: string; readonly password: string },
  address: string,
): Promise<SignedIn> {
  const keys = attemptKeys(email, address);
  await countAttempt(database, keys);
  const [account] = await database.query<Account>(
    `select u.id, u.password_hash, m.workspace_id
       from "user" u join membership m on m.user_id = u.id join workspace w on w.id = m.workspace_id
      where lower(u.email) = lower($1) order by w.created_at limit 1`,
    [email],
  );
  if (!(await verifyPassword(account?.passwordHash ?? null, password)) || account === undefined) {
    await lockWhenSpent(database, keys);
    throw new UserError('E-mail address or password is wrong', {
      code: 'sign_in_refused',
      status: 401,
    });
  }
  await forgiveAttempt(database, keys);
  return database.transaction((tx) => enter(tx, account.id, account.workspaceId));
}

/** Makes a one-time link for somebody who is signed in. */
export async function createLink(
  database: Database,
  caller: Caller,
): Promise<{ readonly token: string; readonly expiresAt: Date }> {
  const token = newToken();
  const [row] = await database.query<{ expiresAt: Date }>(
    `insert into sign_in_link (token_hash, user_id, workspace_id, expires_at)
     values ($1,$2,$3, now() + $4 * interval '1 minute') returning expires_at`,
    [hashOf(token), caller.userId, caller.workspaceId, LINK_MINUTES],
  );
  return { token, expiresAt: row!.expiresAt };
}

/** Signs in with a one-time link, once. @throws UserError 401 `link_refused`. */
export async function redeemLink(database: Database, token: string): Promise<SignedIn> {
  return database.transaction(async (tx) => {
    const [row] = await tx.query<{ userId: Id; workspaceId: Id; good: boolean }>(
      'delete from sign_in_link where token_hash = $1 returning user_id, workspace_id, expires_at > now() as good',
      [hashOf(token)],
    );
    if (row === undefined || !row.good)
      throw new UserError('The link was used already, or is too old', {
        code: 'link_refused',
        status: 401,
      });
    return enter(tx, row.userId, row.workspaceId);
  });
}

async function enter(tx: Tx, userId: Id, workspaceId: Id): Promise<SignedIn> {
  const session = await openSession(tx, userId, workspaceId);
  return { me: await readMe(tx, userId, workspaceId), session };
}

export interface AccessTokenRow {
  readonly id: Id;
  readonly name: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

/** @param value the token; only its hash is kept. */
export async function createAccessToken(tx: Tx, caller: Caller, name: string, value: string): Promise<AccessTokenRow> {
  const [row] = await tx.query<AccessTokenRow>(
    `insert into token (id, user_id, workspace_id, name, token_hash) values ($1,$2,$3,$4,$5)
     returning id, name, created_at, last_used_at`,
    [newId(), caller.userId, caller.workspaceId, name, hashOf(value)],
  );
  await audit(tx, caller, 'token.created', row!.id, { name });
  return row!;
}
