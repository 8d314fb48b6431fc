import { Controller } from '@nestjs/common';
import { routes } from '@capstan/api';
import { Database } from '@capstan/database';
import type { AskOf } from '../http/ask.js';
import { Serves } from '../http/serves.js';
import { readRequest, TaskRequests } from './task-requests.js';
import { requestOfMany } from './tasks.writer.js';

/** What is asked of tasks. */
@Controller()
export class TaskRequestsController {
  constructor(
    private readonly database: Database,
    private readonly requests: TaskRequests,
  ) {}

  @Serves(routes.cancelTask)
  cancel({ caller, params, body }: AskOf<typeof routes.cancelTask>) {
    return this.requests.ask(caller, params.taskId, 'cancel', body);
  }

  @Serves(routes.retryTask)
  retry({ caller, params, body }: AskOf<typeof routes.retryTask>) {
    return this.requests.ask(caller, params.taskId, 'retry', body);
  }

  @Serves(routes.restartTask)
  restart({ caller, params, body }: AskOf<typeof routes.restartTask>) {
    return this.requests.ask(caller, params.taskId, 'force_restart', body);
  }

  @Serves(routes.redoTask)
  redo({ caller, params, body }: AskOf<typeof routes.redoTask>) {
    return this.requests.ask(caller, params.taskId, 'force_redo', body);
  }

  @Serves(routes.checkTask)
  check({ caller, params, body }: AskOf<typeof routes.checkTask>) {
    return this.requests.ask(caller, params.taskId, 'check_now', body);
  }

  @Serves(routes.messageTask)
  message({ caller, params, body }: AskOf<typeof routes.messageTask>) {
    return this.requests.ask(caller, params.taskId, 'message', body);
  }

  @Serves(routes.interruptTask)
  interrupt({ caller, params, body }: AskOf<typeof routes.interruptTask>) {
    return this.requests.ask(caller, params.taskId, 'interrupt', body);
  }

  @Serves(routes.setTaskLimits)
  setLimits({ caller, params, body }: AskOf<typeof routes.setTaskLimits>) {
    return this.requests.ask(caller, params.taskId, 'set_limits', { limits: body });
  }

  @Serves(routes.reprioritizeTask)
  reprioritize({ caller, params, body }: AskOf<typeof routes.reprioritizeTask>) {
    return this.requests.ask(caller, params.taskId, 'reprioritize', body);
  }

  @Serves(routes.setDependencies)
  setDependencies({ caller, params, body }: AskOf<typeof routes.setDependencies>) {
    return this.requests.ask(caller, params.taskId, 'set_dependencies', body);
  }

  @Serves(routes.cancelActive)
  async cancelActive({ caller, body }: AskOf<typeof routes.cancelActive>) {
    const states = ['waiting', 'queued', 'provisioning', 'running'] as const;
    return { requested: await this.askMany(caller, 'cancel', states, body?.repositoryId) };
  }

  @Serves(routes.retryFailed)
  async retryFailed({ caller, body }: AskOf<typeof routes.retryFailed>) {
    return { requested: await this.askMany(caller, 'retry', ['failed'], body?.repositoryId) };
  }

  @Serves(routes.request)
  request({ caller: { workspaceId }, params }: AskOf<typeof routes.request>) {
    return this.database.transaction((tx) => readRequest(tx, workspaceId, params.requestId), { workspaceId });
  }

  private askMany(
    caller: Parameters<typeof requestOfMany>[1],
    kind: 'cancel' | 'retry',
    states: Parameters<typeof requestOfMany>[3]['states'],
    repositoryId: string | undefined,
  ): Promise<number> {
    const { workspaceId } = caller;
    return this.database.transaction((tx) => requestOfMany(tx, caller, kind, { states, repositoryId }), {
      workspaceId,
    });
  }
}
