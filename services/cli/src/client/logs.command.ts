import { routes, type Run, type TaskDetail } from '@capstan/api';
import { UserError, type LogKind } from '@capstan/domain';
import type { Command, CommandContext } from '../command.js';
import { EXIT, UsageError, type ExitCode } from '../exit-code.js';
import { clockOf, plain, wordsOf, type Terminal } from '../terminal.js';
import { gatewayOf } from './gateway-client.js';
import { LogFollower } from './log-follower.js';
import { taskArgument } from './task-words.js';

/** States in which another run of the task can come without a person. */
const MOVING: readonly TaskDetail['state'][] = ['waiting', 'queued', 'provisioning', 'running'];
const NEXT_RUN_EVERY_MS = 1_000;

export const logsCommand: Command = {
  name: 'logs',
  usage: 'logs [-f] TASK [--run N]',
  summary: "Print the log of a task's runs, each line once and in order.",
  details: 'Without --run all runs are printed, oldest first. With -f it goes on until the task waits for no agent.',
  options: {
    follow: { type: 'boolean', short: 'f', help: 'go on with what comes' },
    run: { type: 'string', value: 'N', help: 'only this run of the task' },
  },
  arity: [1, 1],
  run: logs,
};

async function logs({ config, terminal, args, options }: CommandContext): Promise<ExitCode> {
  const only = numberOf(options['run']);
  const taskId = taskArgument(args);
  const gateway = gatewayOf(config);
  const follow = options['follow'] === true;
  const done = new Set<string>();
  for (;;) {
    const task = await gateway.call(routes.task, { params: { taskId } });
    const runs = [...task.runs]
      .sort((a, b) => a.number - b.number)
      .filter((run) => only === undefined || run.number === only);
    if (only !== undefined && runs.length === 0) {
      throw new UserError(`task ${task.shortId} has no run ${only}`, { code: 'run_not_found', status: 404 });
    }
    for (const run of runs.filter(({ id }) => !done.has(id))) {
      showRun(run, terminal);
      done.add(run.id);
      if (run.logExpiredAt !== null) {
        showExpired(run, run.logExpiredAt, terminal);
        continue;
      }
      const follower = new LogFollower(gateway, run.id, (line) => showLine(line, run, terminal));
      await (follow && run.state !== 'finished' ? follower.follow() : follower.readAll());
    }
    if (!follow || only !== undefined || !MOVING.includes(task.state)) return EXIT.ok;
    await new Promise((resolve) => setTimeout(resolve, NEXT_RUN_EVERY_MS));
  }
}

function numberOf(option: string | boolean | undefined): number | undefined {
  if (typeof option !== 'string') return undefined;
  const number = Number(option);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new UsageError(`unsupported --run "${option}"; expected a number from 1`);
}

function showRun(run: Run, terminal: Terminal): void {
  terminal.line(terminal.dim(`── run ${run.number} (${wordsOf(run.reason)}, ${run.agent}) ──`));
}

function showExpired(run: Run, expiredAt: string, terminal: Terminal): void {
  terminal.json({ runId: run.id, logExpiredAt: expiredAt });
  const lines = run.logLines === 1 ? 'its one line is' : `its ${run.logLines} lines are`;
  terminal.line(terminal.dim(`The log expired on ${expiredAt.slice(0, 10)}; ${lines} kept no longer.`));
}

function showLine(line: ShownLine, run: Run, terminal: Terminal): void {
  terminal.json({ runId: run.id, ...line });
  if (terminal.format === 'json') return;
  const text = textOf(line);
  if (text === '') return;
  const time = terminal.dim(clockOf(line.at));
  const [first = '', ...more] = plain(text).trimEnd().split('\n');
  const paint = painterOf(line.kind, terminal);
  terminal.line(`${time} ${paint(first)}`);
  for (const next of more) terminal.line(`${' '.repeat(9)}${paint(next)}`);
}

interface ShownLine {
  readonly sequence: number;
  readonly at: string;
  readonly kind: LogKind;
  readonly text: string;
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

/** What a person wants to read of a line; empty for what only programs want. */
function textOf({ kind, text, data }: ShownLine): string {
  switch (kind) {
    case 'usage':
      return text;
    case 'tool_use':
      return `→ ${[text, inputOf(data?.['input'])].filter((part) => part !== '').join(': ')}`;
    case 'tool_result':
      return text.trim() === '' ? '' : text;
    case 'error':
    case 'permission_denied':
    case 'rate_limited':
    case 'unknown':
      return `[${wordsOf(kind)}] ${text}`;
    case 'text':
    case 'thinking':
    case 'result':
    case 'system':
    case 'stderr':
      return text;
  }
}

/** A tool's input: its one value as it is, several as JSON. */
function inputOf(input: unknown): string {
  if (typeof input === 'string') return input;
  if (typeof input !== 'object' || input === null) return '';
  const values: unknown[] = Object.values(input);
  return values.length === 1 && typeof values[0] === 'string' ? values[0] : JSON.stringify(input);
}

function painterOf(kind: LogKind, terminal: Terminal): (text: string) => string {
  switch (kind) {
    case 'error':
    case 'stderr':
    case 'permission_denied':
      return (text) => terminal.red(text);
    case 'rate_limited':
      return (text) => terminal.yellow(text);
    case 'tool_use':
      return (text) => terminal.bold(text);
    case 'text':
    case 'result':
      return (text) => text;
    case 'thinking':
    case 'tool_result':
    case 'usage':
    case 'system':
    case 'unknown':
      return (text) => terminal.dim(text);
  }
}
