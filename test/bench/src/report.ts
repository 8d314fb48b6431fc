import type { Spread } from './statistics.js';

/** One number that a bench stands for. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'ms' | 's' | 'lines/s' | 'MB' | '% of a core';
  readonly better: 'lower' | 'higher';
  /** The best that the peer has done on such a machine; null where it has nothing to compare. */
  readonly peerBest: number | null;
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
  /** Things that went wrong, such as a lost task: figures don't count then. */
  readonly faults: readonly string[];
}

export function isWorse({ value, better, peerBest }: Figure): boolean {
  if (peerBest === null) return false;
  return better === 'lower' ? value > peerBest : value < peerBest;
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

/** The report for people. */
export function render(report: BenchReport): string {
  const parts = [`\n${report.bench}`, ...report.how.map((line) => `  ${line}`)];
  for (const table of report.tables) parts.push('', ...renderTable(table));
  parts.push('');
  for (const figure of report.figures) parts.push(`  ${renderFigure(figure)}`);
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

function renderFigure(figure: Figure): string {
  const said = `${figure.name}: ${round(figure.value)} ${figure.unit}`;
  if (figure.peerBest === null) return said;
  return `${said} (the peer's best: ${figure.peerBest}) ${isWorse(figure) ? '— WORSE' : '— better'}`;
}
