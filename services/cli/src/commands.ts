import { errorText } from '@capstan/domain';
import { backupCommand } from './backup/backup.command.js';
import { restoreCommand } from './backup/restore.command.js';
import { cliConfig, launcherRefusal, type CliConfig } from './cli.config.js';
import { explainCommand } from './client/explain.command.js';
import { getCommand } from './client/get.command.js';
import { logsCommand } from './client/logs.command.js';
import { dropCommand, replayCommand } from './client/parked.command.js';
import { limitsCommand } from './client/limits.command.js';
import { pauseCommand, resumeCommand } from './client/pause.command.js';
import { cancelCommand, interruptCommand, messageCommand, retryCommand } from './client/task-action.command.js';
import { signInCommand } from './client/sign-in.command.js';
import { traceCommand } from './client/trace.command.js';
import { helpOf, parseCommand, type Command } from './command.js';
import { EXIT, UsageError, describeError, detailsOf, exitCodeOf, type ExitCode } from './exit-code.js';
import { downCommand } from './launcher/down.command.js';
import { migrateCommand } from './launcher/migrate.command.js';
import { statusCommand } from './launcher/status.command.js';
import { upCommand } from './launcher/up.command.js';
import { Terminal, plain, wrap } from './terminal.js';

export const COMMANDS: readonly Command[] = [
  upCommand,
  downCommand,
  statusCommand,
  migrateCommand,
  backupCommand,
  restoreCommand,
  getCommand,
  logsCommand,
  traceCommand,
  messageCommand,
  interruptCommand,
  cancelCommand,
  retryCommand,
  limitsCommand,
  pauseCommand,
  resumeCommand,
  replayCommand,
  dropCommand,
  signInCommand,
  explainCommand,
];

export interface CliOutput {
  out(text: string): void;
  err(text: string): void;
}

/** Runs one `capstan` command. Never throws: what went wrong is written to `err` and is in the exit code. */
export async function runCli(
  words: readonly string[],
  output: CliOutput,
  config: () => CliConfig = cliConfig,
): Promise<ExitCode> {
  const [name, ...rest] = words;
  if (name === undefined || ['help', '--help', '-h'].includes(name)) {
    const topic = COMMANDS.find((each) => each.name === rest[0]);
    output.out(`${topic === undefined ? overview() : helpOf(topic)}\n`);
    return EXIT.ok;
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) {
    const close = closest(name);
    const meant = close === undefined ? '' : `Did you mean: capstan ${close}\n`;
    output.err(
      `unsupported command "${plain(name)}"; expected ${COMMANDS.map((each) => each.name).join(', ')}\n${meant}`,
    );
    return EXIT.usage;
  }
  let json = false;
  try {
    const parsed = parseCommand(command, rest);
    json = parsed.format === 'json';
    if (parsed.help) {
      output.out(`${helpOf(command)}\n`);
      return EXIT.ok;
    }
    const values = await configured(command, config);
    const terminal = new Terminal(parsed.format, values.colour, output.out, output.err, values.columns);
    return await command.run({ config: values, terminal, args: parsed.args, options: parsed.options });
  } catch (error) {
    const exitCode = exitCodeOf(error);
    if (json) output.out(`${JSON.stringify({ error: errorJson(error, exitCode) })}\n`);
    output.err(`capstan ${name}: ${describeError(error)}\n`);
    if (error instanceof UsageError) output.err(`usage: capstan ${command.usage}\n`);
    return exitCode;
  }
}

async function configured(command: Command, config: () => CliConfig): Promise<CliConfig> {
  try {
    return config();
  } catch (error) {
    throw command === upCommand ? await launcherRefusal(error) : error;
  }
}

function errorJson(error: unknown, exitCode: ExitCode): Readonly<Record<string, unknown>> {
  const details = detailsOf(error);
  const known = details === undefined ? {} : { code: details.code, remedy: details.remedy ?? null };
  return { message: errorText(error), exitCode, ...known };
}

const SUMMARY_AT = 30;

/** Eighty columns: a terminal of the usual width shows it without breaking a line. */
function overview(): string {
  return [
    'capstan: tickets become merged pull requests.',
    '',
    'Commands:',
    ...COMMANDS.flatMap((command) =>
      wrap(`  ${command.usage.padEnd(SUMMARY_AT - 3)} ${command.summary}`, 80, SUMMARY_AT),
    ),
    '',
    'capstan COMMAND --help says more. Every command takes -o json.',
    'Exit codes: 0 ok, 1 failed, 2 called wrongly, 3 not found, 4 not reachable,',
    '5 refused.',
  ].join('\n');
}

/** The command that was probably meant: one or two letters away from what was typed. */
function closest(typed: string): string | undefined {
  const [best] = COMMANDS.map(({ name }) => ({ name, distance: distanceOf(typed, name) })).sort(
    (a, b) => a.distance - b.distance,
  );
  return best !== undefined && best.distance <= Math.min(2, typed.length - 2) ? best.name : undefined;
}

/** Letters to insert, delete or replace (Levenshtein). */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...to].entries())
      next.push(Math.min(next[column]! + 1, row[column + 1]! + 1, row[column]! + (letter === other ? 0 : 1)));
    row = next;
  }
  return row.at(-1)!;
}
