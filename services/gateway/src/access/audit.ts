import { newId, type Tx } from '@capstan/database';
import { actorOf, type Caller } from '../http/ask.js';

/** Writes down who changed what. Never a value of a secret. */
export async function audit(
  tx: Tx,
  caller: Caller,
  action: string,
  subject: string | null,
  detail: Readonly<Record<string, unknown>> | null = null,
): Promise<void> {
  await tx.query('insert into audit (id, workspace_id, actor, action, subject, detail) values ($1,$2,$3,$4,$5,$6)', [
    newId(),
    caller.workspaceId,
    actorOf(caller),
    action,
    subject,
    detail,
  ]);
}
