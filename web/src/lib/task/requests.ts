import { call } from '#lib/api/client.ts';
import type { TaskAction, TaskRequest } from '#lib/api/types.ts';

export const OPERATION_OF = {
  message: 'messageTask',
  interrupt: 'interruptTask',
  cancel: 'cancelTask',
  retry: 'retryTask',
  force_restart: 'restartTask',
  force_redo: 'redoTask',
  check_now: 'checkTask',
} as const satisfies Record<TaskAction, string>;

const ASK_AGAIN_MS = 1_000;
const PATIENCE_MS = 60_000;

/**
 * Waits for the scheduler's answer to a request that stands (202). Null when nobody wants it any longer or after a
 * minute: the request stands all the same, and the task's life will show it.
 */
export async function answerOf(request: TaskRequest, isWanted: () => boolean): Promise<TaskRequest | null> {
  const until = Date.now() + PATIENCE_MS;
  while (isWanted() && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    const now = await call('request', { params: { requestId: request.id } });
    if (now.answer !== null) return now;
  }
  return null;
}
