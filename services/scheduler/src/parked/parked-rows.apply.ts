import { UserError, isEnded, type PullRequestState, type RunState } from '@capstan/domain';
import { taskAnswered, taskChanged } from '@capstan/events';
import { requestOfTask, unparkRow, type Task, type TaskRequest, type Tx } from '@capstan/database';
import type { ParkedVerb, ParkedVerbs } from '@capstan/service-kit';

/** What goes on with a row when its transaction is committed. */
export interface ParkedWakes {
  task(id: string): Promise<void>;
  request(id: string, taskId: string): Promise<void>;
}

/** Tasks and requests of them that failed at their cap. */
export function parkedVerbs(wakes: ParkedWakes): ParkedVerbs {
  return {
    task: { ...PARKED_TASK, wake: ({ id }: Task) => wakes.task(id) } satisfies ParkedVerb<Task>,
    task_request: {
      ...PARKED_REQUEST,
      wake: ({ id, taskId }: TaskRequest) => wakes.request(id, taskId),
    } satisfies ParkedVerb<TaskRequest>,
  };
}

const PARKED_TASK: ParkedVerb<Task> = {
  replay: async (tx, task) => {
    await tellChanged(tx, task);
    return 'The task goes on from where it stands';
  },
  /** Given up as by a cancel, which asks the agent to end first; an ended task has nothing left to be given up. */
  drop: async (tx, task, { actor, words }) => {
    const { pullRequest, run } = await around(tx, task);
    if (pullRequest === 'merged')
      throw new UserError('Its pull request is merged: dropped, the task would never be completed', {
        code: 'drop_refused',
        remedy: 'Replay it: all that is left is to write down that it is completed.',
      });
    if (isEnded(task.state)) {
      await unparkRow(tx, 'task', task.id);
      await tellChanged(tx, task);
      return `The task is ${task.state} and stays so`;
    }
    const { workspaceId, id: taskId } = task;
    // It stays parked until that is applied: nobody places it in between.
    await requestOfTask(tx, { workspaceId, taskId, kind: 'cancel', actor, arguments: { reason: words } });
    return run === null || run === 'finished'
      ? 'The task is cancelled'
      : 'The task is cancelled as soon as its agent is gone';
  },
};

const PARKED_REQUEST: ParkedVerb<TaskRequest> = {
  replay: async () => 'It is being answered',
  drop: async (tx, { id, workspaceId, taskId }, { words }) => {
    await tx.query(
      `update task_request set parked_at = null, answered_at = clock_timestamp(), answer = $2 where id = $1`,
      [id, { applied: false, code: 'dropped', detail: words }],
    );
    await tx.emit(taskAnswered, { workspaceId, taskId, requestId: id });
    return 'It is answered: dropped. The task was not touched';
  },
};

async function around(tx: Tx, { id, generation, currentRunId }: Task) {
  const [row] = await tx.query<{ pullRequest: PullRequestState | null; run: RunState | null }>(
    `select (select state from pull_request where task_id = $1 and generation = $2) as pull_request,
            (select state from run where id = $3) as run`,
    [id, generation, currentRunId],
  );
  return row!;
}

async function tellChanged(tx: Tx, { id, workspaceId, repositoryId, state, version }: Task): Promise<void> {
  await tx.emit(taskChanged, { workspaceId, taskId: id, repositoryId, state, version });
}
