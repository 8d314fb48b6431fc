import { requestEffect, type Database, type Task } from '@capstan/database';
import type { ReportSnapshot, ReportStep } from './report.decide.js';

/**
 * Notes what is being said and asks for it, in one transaction. `stale`: somebody else said something since the ticket
 * was read.
 */
export async function applyReport(
  database: Database,
  snapshot: ReportSnapshot,
  step: Exclude<ReportStep, { kind: 'nothing' }>,
): Promise<'applied' | 'stale'> {
  const { ticketId, task, reported } = snapshot;
  const what = step.kind === 'close' ? 'closed' : step.what;
  return database.commit('report', async (tx) => {
    const [ticket] = await tx.query<{ workspaceId: string }>(
      `update ticket set reported = array_append(reported, $2) where id = $1 and reported = $3::text[] returning workspace_id`,
      [ticketId, what, reported],
    );
    if (ticket === undefined) return 'stale';
    const [row] = await tx.query<Pick<Task, 'traceparent'>>('select traceparent from task where id = $1', [task.id]);
    await requestEffect(tx, {
      workspaceId: ticket.workspaceId,
      taskId: task.id,
      runId: null,
      epoch: 0,
      kind: step.kind === 'close' ? 'close_ticket' : 'comment_ticket',
      key: step.kind === 'close' ? `close_ticket:${ticketId}` : `comment_ticket:${ticketId}:${what}`,
      arguments: step.kind === 'close' ? { ticketId } : { ticketId, body: step.text },
      traceparent: row?.traceparent ?? null,
    });
    return 'applied';
  });
}
