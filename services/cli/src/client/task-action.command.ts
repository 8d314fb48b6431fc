import { routes } from '@capstan/api';
import { UserError } from '@capstan/domain';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import { gatewayOf } from './gateway-client.js';
import { taskArgument } from './task-words.js';

/** How long an answer of the scheduler is waited for when the gateway has not got it at once. */
const ANSWER_WITHIN_MS = 15_000;

export const cancelCommand: Command = {
  name: 'cancel',
  usage: 'cancel TASK [--reason TEXT]',
  summary: 'Stop the agent of a task and give the task up. TASK is its id or short id.',
  options: { reason: { type: 'string', value: 'TEXT', help: 'kept in the history of the task' } },
  arity: [1, 1],
  run: (context) => act(context, routes.cancelTask),
};

export const retryCommand: Command = {
  name: 'retry',
  usage: 'retry TASK [--reason TEXT]',
  summary: 'Queue a task again that failed, was cancelled or needs attention. It keeps its branch.',
  options: { reason: { type: 'string', value: 'TEXT', help: 'kept in the history of the task' } },
  arity: [1, 1],
  run: (context) => act(context, routes.retryTask),
};

async function act(
  { config, terminal, args, options }: CommandContext,
  route: typeof routes.cancelTask,
): Promise<ExitCode> {
  const taskId = taskArgument(args);
  const gateway = gatewayOf(config);
  const reason = options['reason'];
  let request = await gateway.call(route, {
    params: { taskId },
    body: typeof reason === 'string' ? { reason } : {},
  });
  const end = performance.now() + ANSWER_WITHIN_MS;
  while (request.answer === null && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    request = await gateway.call(routes.request, { params: { requestId: request.id } });
  }
  terminal.json(request);
  if (request.answer === null) {
    terminal.line('Asked; there is no answer yet. The request stands.');
    return EXIT.ok;
  }
  if (!request.answer.applied) {
    throw new UserError(request.answer.detail, { code: request.answer.code, status: 409 });
  }
  terminal.line(request.answer.detail);
  return EXIT.ok;
}
