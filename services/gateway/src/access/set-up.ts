import type { Me } from '@capstan/api';
import { UserError, slugify } from '@capstan/domain';
import { newId, type Database } from '@capstan/database';
import { audit } from './audit.js';
import { readMe } from './me.reader.js';
import { hashPassword } from './password.js';
import { openSession } from './sessions.js';
import { sameToken } from './token.js';

/** Key of the advisory lock under which one set-up runs at a time; placement has 7_283_002. */
const SET_UP_LOCK = 7_283_004;

export interface FirstUser {
  readonly token: string;
  readonly name: string;
  readonly email: string;
  readonly password: string;
  readonly workspaceName: string;
}

export async function isSetUpNeeded(database: Database): Promise<boolean> {
  const [row] = await database.query<{ needed: boolean }>('select not exists (select from "user") as needed');
  return row!.needed;
}

/**
 * Makes the first user, their workspace and a session, once.
 * @throws UserError 409 `already_set_up`, 403 `set_up_token_refused`.
 */
export async function setUp(
  database: Database,
  expected: string | null,
  first: FirstUser,
): Promise<{ readonly me: Me; readonly session: string }> {
  if (!(await isSetUpNeeded(database))) throw alreadySetUp();
  if (expected === null || !sameToken(expected, first.token))
    throw new UserError('The set-up token is wrong', {
      code: 'set_up_token_refused',
      status: 403,
      field: 'token',
    });
  const passwordHash = await hashPassword(first.password);
  return database.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [SET_UP_LOCK]);
    const users = await tx.query('select 1 from "user" limit 1');
    if (users.length > 0) throw alreadySetUp();
    const [userId, workspaceId] = [newId(), newId()];
    await tx.query('insert into "user" (id, email, name, password_hash) values ($1,$2,$3,$4)', [
      userId,
      first.email,
      first.name,
      passwordHash,
    ]);
    await tx.query('insert into workspace (id, name, slug) values ($1,$2,$3)', [
      workspaceId,
      first.workspaceName,
      slugify(first.workspaceName),
    ]);
    await tx.query(`insert into membership (workspace_id, user_id, role) values ($1,$2,'admin')`, [
      workspaceId,
      userId,
    ]);
    const { email, name } = first;
    const caller = { userId, workspaceId, email, name, role: 'admin', via: 'session', credentialId: null } as const;
    await audit(tx, caller, 'workspace.set_up', workspaceId);
    const session = await openSession(tx, userId, workspaceId);
    return { me: await readMe(tx, userId, workspaceId), session };
  });
}

function alreadySetUp(): UserError {
  return new UserError('This installation is set up already', {
    code: 'already_set_up',
    status: 409,
    remedy: 'Sign in.',
  });
}
