import { routes, type TaskRequest } from '@capstan/api';
import { UserError } from '@capstan/domain';
import type { Command, CommandContext } from '../command.js';
import { EXIT, UsageError, type ExitCode } from '../exit-code.js';
import { gatewayOf, type GatewayClient } from './gateway-client.js';
import { taskArgument } from './task-words.js';

/** How long an answer of the scheduler is waited for when the gateway has not got it at once. */
const ANSWER_WITHIN_MS = 15_000;
const REASON = { reason: { type: 'string', value: 'TEXT', help: 'kept in the history of the task' } } as const;

export const cancelCommand: Command = {
  name: 'cancel',
  usage: 'cancel TASK [--reason TEXT]',
  summary: 'Stop the agent of a task and give the task up. TASK is its id or short id.',
  options: REASON,
  arity: [1, 1],
  run: (context) => act(context, routes.cancelTask),
};

export const retryCommand: Command = {
  name: 'retry',
  usage: 'retry TASK [--reason TEXT]',
  summary: 'Queue a task again that failed, was cancelled or needs attention. It keeps its branch.',
  options: REASON,
  arity: [1, 1],
  run: (context) => act(context, routes.retryTask),
};

export const interruptCommand: Command = {
  name: 'interrupt',
  usage: 'interrupt TASK [--reason TEXT]',
  summary: 'Ask the agent of a task to end its present turn.',
  details: 'An agent that can not be interrupted is left alone, and the answer says so.',
  options: REASON,
  arity: [1, 1],
  run: (context) => act(context, routes.interruptTask),
};

export const messageCommand: Command = {
  name: 'message',
  usage: 'message TASK TEXT',
  summary: 'Say something to the agent of a task.',
  details:
    'An agent that listens while it works hears it at once. Any other gets it with the next run of its task, which is queued for it when the task is in review or needs you.',
  arity: [2, 1_000],
  run: message,
};

async function message(context: CommandContext): Promise<ExitCode> {
  const taskId = taskArgument(context.args);
  const text = context.args.slice(1).join(' ').trim();
  if (text === '') throw new UsageError('the message is empty');
  const gateway = gatewayOf(context.config);
  const request = await gateway.call(routes.messageTask, { params: { taskId }, body: { text } });
  return answered(context, gateway, request);
}

async function act(
  context: CommandContext,
  route: typeof routes.cancelTask | typeof routes.interruptTask,
): Promise<ExitCode> {
  const taskId = taskArgument(context.args);
  const gateway = gatewayOf(context.config);
  const reason = context.options['reason'];
  const body = typeof reason === 'string' ? { reason } : {};
  return answered(context, gateway, await gateway.call(route, { params: { taskId }, body }));
}

/** Waits for the scheduler's answer and says it. @throws UserError when it is a refusal */
export async function answered(
  { terminal }: CommandContext,
  gateway: GatewayClient,
  asked: TaskRequest,
): Promise<ExitCode> {
  let request = asked;
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
