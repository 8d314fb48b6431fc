import { routes, type Pod, type Task } from '@capstan/api';
import type { Command, CommandContext } from '../command.js';
import { EXIT, UsageError, type ExitCode } from '../exit-code.js';
import { ageOf, plain, shorten, wordsOf, type Terminal } from '../terminal.js';
import { gatewayOf } from './gateway-client.js';
import { getAgents } from './get-agents.js';
import { getParked } from './parked.command.js';
import { paintState, pullRequestWords, stateOption, stateWords, whyWords } from './task-words.js';

/** Tasks that one answer of the API has at most. */
const MOST_TASKS = 200;

export const getCommand: Command = {
  name: 'get',
  usage: 'get tasks|pods|agents|parked',
  summary: 'List tasks, newest first, or pods, or agents, or what failed too often and was parked.',
  options: {
    state: { type: 'string', value: 'STATE', help: 'tasks in this state only, e.g. running' },
    search: { type: 'string', value: 'TEXT', help: 'tasks whose title or ticket has this text' },
    kind: { type: 'string', value: 'KIND', help: 'parked: this kind only, e.g. effect' },
    limit: { type: 'string', value: 'N', help: 'at most so many; default 50, at most 200' },
  },
  arity: [1, 1],
  run: get,
};

async function get(context: CommandContext): Promise<ExitCode> {
  const { config, terminal, args, options } = context;
  switch (args[0]) {
    case 'tasks':
    case 'task': {
      const query = {
        state: stateOption(options['state']),
        search: text(options['search']),
        limit: limitOption(options['limit']),
      };
      const gateway = gatewayOf(config);
      const page = await gateway.call(routes.listTasks, { query });
      terminal.json(page);
      showTasks(page.items, page.next !== null, terminal);
      return EXIT.ok;
    }
    case 'pods':
    case 'pod': {
      const gateway = gatewayOf(config);
      const [page, repositories] = await Promise.all([
        gateway.call(routes.listPods),
        gateway.call(routes.listRepositories),
      ]);
      terminal.json(page);
      showPods(page.items, new Map(repositories.items.map(({ id, fullName }) => [id, fullName])), terminal);
      return EXIT.ok;
    }
    case 'agents':
    case 'agent':
      await getAgents(context);
      return EXIT.ok;
    case 'parked':
      await getParked(context, limitOption(options['limit']));
      return EXIT.ok;
    default:
      throw new UsageError(`unsupported resource "${args[0] ?? ''}"; expected tasks, pods, agents or parked`);
  }
}

function showTasks(tasks: readonly Task[], more: boolean, terminal: Terminal): void {
  if (tasks.length === 0) return terminal.line('No tasks.');
  terminal.table(
    ['TASK', 'STATE', 'REPOSITORY', 'TITLE', 'AGE', 'COST', 'PULL REQUEST'],
    tasks.map((task) => [
      task.shortId,
      stateWords(task),
      plain(task.repository.fullName),
      shorten(plain(task.title), 60),
      ageOf(task.createdAt, Date.now()),
      `$${Number(task.costUsd).toFixed(2)}`,
      pullRequestWords(task),
    ]),
    {
      shrink: [TITLE, REPOSITORY],
      paint: (cell, column, row) => (column === STATE ? paintState(terminal, tasks[row]!.state, cell) : cell),
    },
  );
  const reasons = tasks.flatMap((task) => {
    const why = whyWords(task);
    return why === undefined ? [] : [`${task.shortId}  ${why}`];
  });
  if (reasons.length > 0) terminal.line();
  for (const reason of reasons) terminal.wrapped(reason, 10, (line) => terminal.dim(line));
  if (more) terminal.line(terminal.dim('There are more: --limit N, --state STATE, --search TEXT.'));
}

const STATE = 1;
const REPOSITORY = 2;
const TITLE = 3;

function showPods(pods: readonly Pod[], repositories: ReadonlyMap<string, string>, terminal: Terminal): void {
  if (pods.length === 0) return terminal.line('No pods.');
  terminal.table(
    ['POD', 'REPOSITORY', 'STATE', 'SLOTS', 'ISOLATION', 'AGE'],
    pods.map((pod) => [
      pod.name,
      plain(repositories.get(pod.repositoryId) ?? pod.repositoryId),
      pod.state,
      `${pod.used} of ${pod.capacity}`,
      wordsOf(pod.isolation),
      ageOf(pod.createdAt, Date.now()),
    ]),
    { shrink: [0, REPOSITORY_OF_POD] },
  );
  for (const { name, problem } of pods) {
    if (problem === null) continue;
    const words = [problem.title, problem.detail, problem.remedy].filter(Boolean).join(' · ');
    terminal.wrapped(`${name}  ${plain(words)}`, 2, (line) => terminal.yellow(line));
  }
}

const REPOSITORY_OF_POD = 1;

function limitOption(option: string | boolean | undefined): string | undefined {
  if (typeof option !== 'string') return undefined;
  if (/^\d+$/.test(option) && Number(option) >= 1 && Number(option) <= MOST_TASKS) return option;
  throw new UsageError(`unsupported --limit "${plain(option)}"; expected a number from 1 to ${MOST_TASKS}`);
}

function text(option: string | boolean | undefined): string | undefined {
  return typeof option === 'string' ? option : undefined;
}
