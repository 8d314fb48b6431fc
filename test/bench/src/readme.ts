import { AIMS, type Aim, type FigureKey } from './aims.js';
import type { Machine } from './machine.js';
import { isWorseThanPeer, judgeAim, round, type Figure } from './report.js';

const BEGIN = '<!-- measured: `npm run bench -- --readme` writes from here -->';
const END = '<!-- measured: to here -->';

/**
 * A text with everything between its two markers replaced.
 * @throws RangeError when the markers aren't there, once and in order.
 */
export function replaceMeasured(text: string, section: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  const isOnce = begin === text.lastIndexOf(BEGIN) && end === text.lastIndexOf(END);
  if (begin < 0 || end < begin || !isOnce)
    throw new RangeError(`the text needs each of these lines once and in order: ${BEGIN} and ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${section.trim()}\n\n${text.slice(end)}`;
}

/** The figures that are held against something, as a table in Markdown, with the machine that they mean something on. `day` is ISO 8601. */
export function measuredSection(machine: Machine, figures: readonly Figure[], day: string): string {
  const byKey = new Map(figures.map((figure) => [figure.key, figure]));
  const rows = (Object.keys(AIMS) as FigureKey[])
    .filter(isHeld)
    .flatMap((key) => byKey.get(key) ?? [])
    .map((figure) => row(figure, machine));
  const { cores, cpu, memoryGb, kernel, fsyncMs, versions } = machine;
  return [
    `${cores} cores (${cpu}), ${memoryGb} GB, kernel ${kernel}, Node ${versions['node']}, Postgres ${versions['postgres']} with fsync on`,
    `(8 KB: p50 ${fsyncMs.p50.toFixed(2)} ms), on ${day}. Made by \`npm run bench -- --readme\`; \`test/bench/README.md\` says how.`,
    '',
    ...table([['', 'measured', 'aim', "the peer's best"], ...rows]),
    ...missedNote(figures, fsyncMs.p50),
  ].join('\n');
}

function isHeld(key: FigureKey): boolean {
  const { aim, peer }: Aim = AIMS[key];
  return aim !== null || peer !== null;
}

function row(figure: Figure, { fsyncMs }: Machine): string[] {
  const { name, unit, better, aim, peer }: Aim = AIMS[figure.key];
  const missed = judgeAim(figure, fsyncMs.p50) === 'missed';
  const value = `${said(figure.value)} ${unit}`;
  return [
    name,
    missed ? `**${value}**` : value,
    aim === null ? '' : `${better === 'lower' ? '≤' : '≥'} ${said(aim)}`,
    peer === null ? '' : isWorseThanPeer(figure) ? `**${said(peer)}**` : said(peer),
  ];
}

function said(value: number): string {
  return round(value).toLocaleString('en');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(3, ...rows.map((cells) => cells[at]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at]!)).join(' | ')} |`;
  return [line(rows[0]!), line(widths.map((width) => '-'.repeat(width))), ...rows.slice(1).map(line)];
}

function missedNote(figures: readonly Figure[], fsyncP50Ms: number): string[] {
  const bold = figures.some((figure) => judgeAim(figure, fsyncP50Ms) === 'missed' || isWorseThanPeer(figure));
  return bold ? ['', 'Bold: an aim that is missed, or a peer that is better.'] : [];
}
