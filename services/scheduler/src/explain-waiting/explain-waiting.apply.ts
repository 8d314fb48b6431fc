import { taskChanged } from '@capstan/events';
import type { Database, Task } from '@capstan/database';
import { decideExplanations, type WaitingExplanation } from './explain-waiting.decide.js';
import { readWaiting } from './explain-waiting.snapshot.js';

/** Boards refetch on any change; beyond this many, announcing each would only flood them. */
const ANNOUNCE_AT_MOST = 100;

/**
 * Writes the reason of every waiting task whose reason changed. A reason is words for people: it doesn't raise the
 * task's version, so it never makes a real change stale. Null: no task waits for anything.
 */
export async function explainWaiting(
  database: Database,
  globalLimit: number,
): Promise<readonly WaitingExplanation[] | null> {
  const snapshot = await readWaiting(database, globalLimit);
  if (snapshot === null) return null;
  const explanations = decideExplanations(snapshot);
  if (explanations.length === 0) return [];
  await database.transaction(async (tx) => {
    const changed = await tx.query<Pick<Task, 'id' | 'workspaceId' | 'repositoryId' | 'state' | 'version'>>(
      `update task t set waiting = jsonb_build_object('code', x.code, 'detail', x.detail, 'position', null)
         from unnest($1::uuid[], $2::text[], $3::text[]) as x(id, code, detail)
        where t.id = x.id and t.state in ('waiting','queued','provisioning')
        returning t.id, t.workspace_id, t.repository_id, t.state, t.version`,
      [
        explanations.map(({ taskId }) => taskId),
        explanations.map(({ code }) => code),
        explanations.map(({ detail }) => detail),
      ],
    );
    for (const row of changed.slice(0, ANNOUNCE_AT_MOST)) {
      const { id: taskId, ...ids } = row;
      await tx.emit(taskChanged, { ...ids, taskId });
    }
  });
  return explanations;
}
