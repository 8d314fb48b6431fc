import { AIMS, type Aim, type FigureKey, type RatioKey } from './aims.js';
import type { Spread } from './statistics.js';

/** One number that a bench stands for. */
export interface Figure {
  readonly key: FigureKey;
  readonly value: number;
  /** How it was made: n, window, what ran beside. */
  readonly made: string;
}

/** One figure divided by its yardstick, both from this run on this machine. */
export interface Ratio {
  readonly key: RatioKey;
  readonly ours: number;
  readonly yardstick: number;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What a bench has to say. */
export interface BenchReport {
  readonly bench: string;
  /** How the figures were made: n, warm-up, what ran beside. */
  readonly how: readonly string[];
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  /** Things that went wrong, such as a lost task: figures don't count then. */
  readonly faults: readonly string[];
}

/** Whether an aim is reached; `not held`: there is none, or this disk is slower than it supposes. */
export type Judgement = 'reached' | 'missed' | 'not held';

export function judgeAim({ key, value }: Figure, fsyncP50Ms: number): Judgement {
  const { aim, better, whereFsyncMs }: Aim = AIMS[key];
  if (aim === null || (whereFsyncMs !== undefined && fsyncP50Ms > whereFsyncMs)) return 'not held';
  return (better === 'lower' ? value <= aim : value >= aim) ? 'reached' : 'missed';
}

export function isWorseThanPeer({ key, value }: Figure): boolean {
  const { peer, better }: Aim = AIMS[key];
  if (peer === null) return false;
  return better === 'lower' ? value > peer : value < peer;
}

export const SPREAD_COLUMNS = ['n', 'p50', 'p95', 'p99', 'max'] as const;

export function spreadRow(name: string, { n, p50, p95, p99, max }: Spread): (string | number)[] {
  return [name, n, ...[p50, p95, p99, max].map(round)];
}

/** Three significant digits are more than any of these figures bears. */
export function round(value: number): number {
  if (Math.abs(value) >= 100) return Math.round(value);
  return Math.round(value * 10) / 10;
}

/** The report for people; `judged` says whether aims are held against it. */
export function render(
  report: BenchReport,
  { fsyncP50Ms, judged }: { readonly fsyncP50Ms: number; readonly judged: boolean },
): string {
  const parts = [`\n${report.bench}`, ...report.how.map((line) => `  ${line}`)];
  for (const table of report.tables) parts.push('', ...renderTable(table));
  parts.push('');
  for (const figure of report.figures)
    parts.push(`  ${judged ? renderJudged(figure, fsyncP50Ms) : renderFigure(figure)}`);
  for (const fault of report.faults) parts.push(`  FAULT: ${fault}`);
  return parts.join('\n');
}

function renderTable({ title, columns, rows }: Table): string[] {
  const cells = [[title, ...columns], ...rows.map((row) => row.map(String))];
  const widths = cells[0]!.map((_, at) => Math.max(...cells.map((row) => (row[at] ?? '').length)));
  return cells.map(
    (row) =>
      `  ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  ')}`,
  );
}

function renderFigure({ key, value, made }: Figure, verdict = ''): string {
  return `${AIMS[key].name}: ${round(value)} ${AIMS[key].unit}${verdict}; ${made}`;
}

function renderJudged(figure: Figure, fsyncP50Ms: number): string {
  const { better, aim, peer }: Aim = AIMS[figure.key];
  const held: string[] = [];
  const judgement = judgeAim(figure, fsyncP50Ms);
  if (aim !== null) held.push(`aim ${better === 'lower' ? '≤' : '≥'} ${aim}: ${judgement.toUpperCase()}`);
  if (peer !== null) held.push(`the peer's best ${peer}: ${isWorseThanPeer(figure) ? 'WORSE' : 'better'}`);
  return renderFigure(figure, held.length === 0 ? '' : ` (${held.join('; ')})`);
}
