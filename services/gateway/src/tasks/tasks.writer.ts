import { createTask, requestOfTask, type Tx } from '@capstan/database';
import {
  UserError,
  type Id,
  type RunLimits,
  type TaskKind,
  type TaskRequestKind,
  type TaskState,
} from '@capstan/domain';
import { traceparentOrNew } from '@capstan/service-kit';
import { actorOf, type Caller } from '../http/ask.js';

export interface WantedTask {
  readonly repositoryId: Id;
  readonly title: string;
  readonly body: string;
  readonly kind: TaskKind;
  readonly priority: number;
  readonly dependsOn: readonly Id[];
  readonly baseBranch?: string | undefined;
  readonly limits?: { readonly [Limit in keyof RunLimits]?: RunLimits[Limit] | undefined } | undefined;
}

/** Queues a task of the caller's. @throws UserError 422 for a repository or a dependency that isn't there. */
export async function queueTask(tx: Tx, caller: Caller, wanted: WantedTask): Promise<Id> {
  const [repository] = await tx.query<{ defaultBranch: string }>(
    'select default_branch from repository where workspace_id = $1 and id = $2 and archived_at is null for share',
    [caller.workspaceId, wanted.repositoryId],
  );
  if (repository === undefined)
    throw new UserError(`No repository ${wanted.repositoryId} in this workspace`, {
      code: 'repository_not_found',
      status: 422,
      field: 'repositoryId',
      remedy: 'Name a repository of this workspace by its id.',
    });
  const { id } = await createTask(tx, {
    workspaceId: caller.workspaceId,
    repositoryId: wanted.repositoryId,
    kind: wanted.kind,
    title: wanted.title,
    body: wanted.body,
    baseBranch: wanted.baseBranch ?? repository.defaultBranch,
    priority: wanted.priority,
    dependsOn: wanted.dependsOn,
    limits: (wanted.limits as Partial<RunLimits> | undefined) ?? null,
    createdBy: actorOf(caller),
    cause: `Created by ${caller.name}`,
    traceparent: traceparentOrNew(),
  });
  return id;
}

/**
 * Asks the same of every task in these states that isn't asked for something already.
 * @returns how many were asked.
 */
export async function requestOfMany(
  tx: Tx,
  caller: Caller,
  kind: TaskRequestKind,
  { states, repositoryId }: { readonly states: readonly TaskState[]; readonly repositoryId: Id | undefined },
): Promise<number> {
  const tasks = await tx.query<{ id: Id }>(
    `select id from task where workspace_id = $1 and state = any($2) and ($3::uuid is null or repository_id = $3)
        and intent is null order by created_at, id`,
    [caller.workspaceId, states, repositoryId ?? null],
  );
  for (const { id } of tasks)
    await requestOfTask(tx, { workspaceId: caller.workspaceId, taskId: id, kind, actor: actorOf(caller) });
  return tasks.length;
}
