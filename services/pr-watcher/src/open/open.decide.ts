import type { PullRequestState, TaskIntent, TaskState } from '@capstan/domain';

/** Why a pull request isn't opened any more: its task was cancelled or started anew after the push. Null when it is. */
export function whyNotOpen(
  task: { readonly state: TaskState; readonly intent: TaskIntent | null; readonly generation: number } | undefined,
  { generation, state }: { readonly generation: number; readonly state: PullRequestState },
): string | null {
  if (task === undefined || task.generation !== generation) return 'the task was started anew';
  if (task.intent !== null) return `the task is to ${task.intent}`;
  // Only a person's replay of what was parked makes a row of a halted task publish again.
  const replayed = task.state === 'needs_attention' && state === 'publishing';
  return task.state === 'provisioning' || task.state === 'running' || replayed ? null : `the task is ${task.state}`;
}
