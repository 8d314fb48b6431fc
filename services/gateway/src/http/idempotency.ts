import { createHash } from 'node:crypto';
import { UserError, type Id } from '@capstan/domain';
import type { Tx } from '@capstan/database';
import { Reply } from './ask.js';

/** The header of a request that a client may repeat; null when it has none. */
export function idempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && /^[\x21-\x7e]{1,200}$/.test(header)) return header;
  throw new UserError('Idempotency-Key: expected 1 to 200 printable characters', {
    code: 'invalid_request',
    status: 422,
    field: 'Idempotency-Key',
    issues: [{ field: 'Idempotency-Key', message: 'expected 1 to 200 printable characters' }],
  });
}

/**
 * Does `work` once per key of a workspace, in the transaction that also keeps its answer: a repeat, at the same time or
 * a day later, gets the first one's answer and changes nothing.
 * @throws UserError 422 `idempotency_key_reused` for the same key with another request.
 */
export async function once<T>(
  tx: Tx,
  { workspaceId, key, request }: { readonly workspaceId: Id; readonly key: string | null; readonly request: unknown },
  status: number,
  work: () => Promise<T>,
): Promise<Reply<T>> {
  if (key === null) return new Reply(await work(), { status });
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 7283003))', [`${workspaceId} ${key}`]);
  const requestHash = createHash('sha256').update(JSON.stringify(request)).digest('hex');
  const [known] = await tx.query<{ requestHash: string; status: number; answer: T }>(
    'select request_hash, status, answer from idempotency where workspace_id = $1 and key = $2',
    [workspaceId, key],
  );
  if (known !== undefined) {
    if (known.requestHash === requestHash)
      return new Reply(known.answer, { status: known.status, headers: { 'idempotency-replayed': 'true' } });
    throw new UserError('This Idempotency-Key was used for another request', {
      code: 'idempotency_key_reused',
      status: 422,
      field: 'Idempotency-Key',
      remedy: 'Take a new key for a new request.',
    });
  }
  const answer = await work();
  await tx.query('insert into idempotency (workspace_id, key, request_hash, status, answer) values ($1,$2,$3,$4,$5)', [
    workspaceId,
    key,
    requestHash,
    status,
    JSON.stringify(answer),
  ]);
  return new Reply(answer, { status });
}
