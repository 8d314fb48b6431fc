import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { CliConfig } from './cli.config.js';
import { UsageError, type ExitCode } from './exit-code.js';
import { wrap, type Terminal } from './terminal.js';

export interface CommandContext {
  readonly config: CliConfig;
  readonly terminal: Terminal;
  /** Positional arguments behind the command's name. */
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

export interface CommandOption {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Name of the value in the help text. */
  readonly value?: string;
  readonly help: string;
}

/** One subcommand of `capstan`. */
export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly details?: string;
  readonly options?: Readonly<Record<string, CommandOption>>;
  /** How many positional arguments it takes. */
  readonly arity: readonly [least: number, most: number];
  run(context: CommandContext): Promise<ExitCode>;
}

const GLOBAL_OPTIONS: Readonly<Record<string, CommandOption>> = {
  output: { type: 'string', short: 'o', value: 'FORMAT', help: 'text (default) or json' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
};

export interface ParsedCommand {
  readonly format: 'text' | 'json';
  readonly help: boolean;
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

/** The words behind a command's name. @throws UsageError */
export function parseCommand(command: Command, words: readonly string[]): ParsedCommand {
  const known = { ...command.options, ...GLOBAL_OPTIONS };
  const options: ParseArgsConfig['options'] = Object.fromEntries(
    Object.entries(known).map(([name, { type, short }]) => [name, short === undefined ? { type } : { type, short }]),
  );
  let parsed;
  try {
    parsed = parseArgs({ args: [...words], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const values = parsed.values as Record<string, string | boolean | undefined>;
  const format = values['output'] ?? 'text';
  if (format !== 'text' && format !== 'json') {
    throw new UsageError(`unsupported output "${String(format)}"; expected text or json`);
  }
  const [least, most] = command.arity;
  const help = values['help'] === true;
  if (!help && parsed.positionals.length < least) throw new UsageError('something is missing');
  if (!help && parsed.positionals.length > most) {
    throw new UsageError(`unexpected "${parsed.positionals[most] ?? ''}"`);
  }
  return { format, help, args: parsed.positionals, options: values };
}

/** The help text of one command. */
export function helpOf(command: Command): string {
  const options = Object.entries({ ...command.options, ...GLOBAL_OPTIONS }).map(([name, option]) => {
    const flags = `${option.short === undefined ? '    ' : `-${option.short}, `}--${name}`;
    const call = `${flags}${option.value === undefined ? '' : ` ${option.value}`}`;
    return wrap(`  ${call.padEnd(22)} ${option.help}`, 80, 25).join('\n');
  });
  return [
    `capstan ${command.usage}`,
    '',
    ...wrap(command.summary, 80, 0),
    ...(command.details === undefined ? [] : ['', ...command.details.split('\n').flatMap((line) => wrap(line, 80, 0))]),
    '',
    'Options:',
    ...options,
  ].join('\n');
}
