import { symptomList, type SymptomEntry } from '@capstan/api';
import { UserError } from '@capstan/domain';
import type { Command, CommandContext } from '../command.js';
import { EXIT, type ExitCode } from '../exit-code.js';
import type { Terminal } from '../terminal.js';

export const explainCommand: Command = {
  name: 'explain',
  usage: 'explain [CODE]',
  summary: 'Say what a code means and what helps; without one, list all.',
  details: 'Needs no running Capstan: the answer is part of this command.',
  arity: [0, 1],
  run: explain,
};

async function explain({ terminal, args }: CommandContext): Promise<ExitCode> {
  const list = symptomList();
  const [code] = args;
  if (code === undefined) {
    terminal.json(list);
    for (const { area, title } of list.areas) {
      terminal.line(terminal.bold(title));
      const entries = list.items.filter((each) => each.area === area);
      terminal.table(
        ['CODE', 'WHAT'],
        entries.map((each) => [each.code, each.title]),
      );
      terminal.line();
    }
    return EXIT.ok;
  }
  const entry = list.items.find((each) => each.code === code.toLowerCase());
  if (entry === undefined)
    throw new UserError(`there is no symptom ${code}`, {
      code: 'symptom_unknown',
      status: 404,
      remedy: `List them with capstan explain${near(code, list.items)}.`,
    });
  terminal.json(entry);
  show(entry, terminal);
  return EXIT.ok;
}

function show({ code, title, cause, remedy, retryable, category }: SymptomEntry, terminal: Terminal): void {
  terminal.line(`${terminal.bold(title)} ${terminal.dim(`${code}, ${category}`)}`);
  terminal.line(cause);
  terminal.line(`What helps: ${remedy}`);
  terminal.line(
    terminal.dim(retryable ? 'Trying again may help by itself.' : 'Trying again helps after a change only.'),
  );
}

/** Codes that share a word with what was asked for. */
function near(asked: string, items: readonly SymptomEntry[]): string {
  const words = asked
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter((word) => word.length > 2);
  const found = items.filter(({ code }) => words.some((word) => code.split('_').includes(word))).slice(0, 5);
  return found.length === 0 ? '' : `; like it: ${found.map(({ code }) => code).join(', ')}`;
}
