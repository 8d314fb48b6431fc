import type { Task } from '#lib/api/types.ts';

/** The one time that says most about a task in its state, and what it is. */
export function timing(
  task: Pick<Task, 'state' | 'createdAt' | 'startedAt' | 'endedAt' | 'updatedAt'>,
  now: number,
): { readonly ms: number; readonly title: string } | null {
  const since = (from: string, to: number) => to - new Date(from).getTime();
  switch (task.state) {
    case 'waiting':
    case 'queued':
      return { ms: since(task.createdAt, now), title: 'Waiting since it was made' };
    case 'provisioning':
    case 'running':
      return { ms: since(task.startedAt ?? task.updatedAt, now), title: 'Working since' };
    case 'pr_opened':
    case 'needs_attention':
      return { ms: since(task.startedAt ?? task.createdAt, now), title: 'Since work began' };
    case 'failed':
    case 'cancelled':
    case 'completed':
      return task.endedAt === null
        ? null
        : {
            ms: since(task.startedAt ?? task.createdAt, new Date(task.endedAt).getTime()),
            title: 'From start to end',
          };
    default:
      return task.state satisfies never;
  }
}
