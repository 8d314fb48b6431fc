import type { LogLine } from '#lib/api/types.ts';

/** One row of the window: all rows are equally high, so any of them is found by a multiplication. */
export interface Row {
  /** Index of the line under which it stands: a result stands under its tool call. */
  readonly host: number;
  /** Index of the line that it shows. */
  readonly line: number;
  readonly part: 'text' | 'call' | 'input' | 'result';
  readonly text: string;
  /** The first row of its line carries the number. */
  readonly isFirst: boolean;
}

export interface ToolCall {
  readonly name: string;
  /** One line of what it was asked. */
  readonly summary: string;
  /** The whole input, for reading. */
  readonly input: string;
}

/** Without wrapping, lines longer than this still break: a megabyte in one row helps nobody. */
const MAX_COLUMNS = 1_000;

const TERMINAL_CODES =
  /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))|[\u0000-\u0008\u000b-\u001f\u007f]/g;
const SUMMARY_KEYS = ['command', 'file_path', 'path', 'pattern', 'url', 'query', 'description'] as const;

/**
 * The log as rows of equal height: lines wrapped at a number of columns, tool calls folded with their results.
 * Lines come in order and are never taken back.
 */
export class LogRows {
  readonly lines: LogLine[] = [];
  rows: Row[] = [];
  /** Columns of the longest row so far, for the width of the unwrapped view. */
  widest = 0;
  readonly #open = new Set<number>();
  readonly #resultOf = new Map<number, number>();
  readonly #hostOf = new Map<number, number>();
  readonly #callById = new Map<string, number>();
  #columns = MAX_COLUMNS;

  append(lines: readonly LogLine[]): void {
    let again = Infinity;
    for (const line of lines) {
      const index = this.lines.push(line) - 1;
      const id = textOf(line.data?.['id']);
      if (line.kind === 'tool_use' && id !== '') this.#callById.set(id, index);
      const host = line.kind === 'tool_result' ? this.#callById.get(id) : undefined;
      if (host !== undefined && !this.#resultOf.has(host)) {
        this.#resultOf.set(host, index);
        this.#hostOf.set(index, host);
        if (this.#open.has(host)) again = Math.min(again, host);
      } else {
        this.#emit(index, this.rows);
      }
    }
    if (again !== Infinity) this.#rebuildFrom(again);
  }

  /** Columns to wrap at; Infinity for one row per line. Answers whether that changed the rows. */
  setColumns(columns: number): boolean {
    const wanted = Math.max(20, Math.min(MAX_COLUMNS, Math.floor(columns)));
    if (wanted === this.#columns) return false;
    this.#columns = wanted;
    this.#rebuildFrom(0);
    return true;
  }

  isOpen(host: number): boolean {
    return this.#open.has(host);
  }

  toggle(host: number, open = !this.#open.has(host)): void {
    if (open === this.#open.has(host)) return;
    if (open) this.#open.add(host);
    else this.#open.delete(host);
    const from = this.#firstRowOf(host);
    let to = from;
    while (this.rows[to]?.host === host) to++;
    const replaced: Row[] = [];
    this.#emit(host, replaced);
    this.rows = [...this.rows.slice(0, from), ...replaced, ...this.rows.slice(to)];
  }

  resultOf(host: number): LogLine | undefined {
    const index = this.#resultOf.get(host);
    return index === undefined ? undefined : this.lines[index];
  }

  /** Indices of the lines that contain the text, in order, whatever its case; folded ones too. */
  find(query: string): number[] {
    const wanted = query.toLowerCase();
    if (wanted === '') return [];
    const found: number[] = [];
    for (const [index, line] of this.lines.entries()) {
      if (searchable(line).toLowerCase().includes(wanted)) found.push(index);
    }
    return found;
  }

  /** Opens whatever hides the line and answers its row. */
  reveal(line: number, query = ''): number {
    const host = this.#hostOf.get(line) ?? line;
    const isHidden =
      host !== line || (this.lines[line]?.kind === 'tool_use' && !headOf(this.lines[line]).includes(query));
    if (isHidden) this.toggle(host, true);
    let row = this.#firstRowOf(host);
    while (this.rows[row]?.host === host && this.rows[row]?.line !== line) row++;
    const wanted = query.toLowerCase();
    for (let at = row; this.rows[at]?.host === host && this.rows[at]?.line === line; at++) {
      if (this.rows[at]?.text.toLowerCase().includes(wanted)) return at;
    }
    return row;
  }

  /** The whole log as text, tool calls and results in the order in which they happened. */
  toText(): string {
    return this.lines.map((line) => (line.kind === 'tool_use' ? `> ${headOf(line)}` : clean(line.text))).join('\n');
  }

  #rebuildFrom(host: number): void {
    const kept = host === 0 ? [] : this.rows.slice(0, this.#firstRowOf(host));
    this.rows = kept;
    if (host === 0) this.widest = 0;
    for (let index = host; index < this.lines.length; index++) if (!this.#hostOf.has(index)) this.#emit(index, kept);
  }

  #emit(index: number, into: Row[]): void {
    const line = this.lines[index];
    if (line === undefined) return;
    if (line.kind !== 'tool_use') {
      this.#wrap(index, index, 'text', clean(line.text), into);
      return;
    }
    const call = toolCall(line);
    into.push({ host: index, line: index, part: 'call', text: headOf(line), isFirst: true });
    if (!this.#open.has(index)) return;
    if (call.input !== '' && call.input !== call.summary) this.#wrap(index, index, 'input', call.input, into, false);
    const result = this.#resultOf.get(index);
    const resultLine = result === undefined ? undefined : this.lines[result];
    if (result !== undefined && resultLine) this.#wrap(index, result, 'result', clean(resultLine.text), into);
  }

  #wrap(host: number, line: number, part: Row['part'], text: string, into: Row[], numbered = true): void {
    let isFirst = numbered;
    for (const piece of text.split('\n')) {
      for (const row of wrapAt(piece, this.#columns)) {
        if (row.length > this.widest) this.widest = row.length;
        into.push({ host, line, part, text: row, isFirst });
        isFirst = false;
      }
    }
  }

  #firstRowOf(host: number): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.rows[middle]?.host ?? Infinity) < host) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** How far back from the end of a row a space is looked for to break at. */
const BREAK_WITHIN = 28;

/** Breaks one line at a number of columns, at a space if one is near; characters of double width count as two. */
export function wrapAt(text: string, columns: number): string[] {
  if (text.length <= columns && /^[\x00-\u02ff]*$/.test(text)) return [text];
  const rows: string[] = [];
  let row = '';
  let width = 0;
  for (const character of text) {
    const own = widthOf(character);
    if (width + own > columns) {
      if (character === ' ') {
        rows.push(row);
        row = '';
        width = 0;
        continue;
      }
      const space = row.lastIndexOf(' ');
      const breakAt = space > 0 && space >= row.length - BREAK_WITHIN ? space + 1 : row.length;
      rows.push(row.slice(0, breakAt));
      row = row.slice(breakAt);
      width = [...row].reduce((sum, one) => sum + widthOf(one), 0);
    }
    row += character;
    width += own;
  }
  rows.push(row);
  return rows;
}

function widthOf(character: string): number {
  return (character.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
}

/** A tool call's name and input, from the structured facts where they are there, else from the text. */
export function toolCall(line: LogLine): ToolCall {
  const name = textOf(line.data?.['tool']) || 'tool';
  const input = line.data?.['input'];
  const said = clean(line.text).replace(new RegExp(`^${escapeForRegExp(name)}[:\\s]*`), '');
  const summary = (said || summaryOf(input)).split('\n')[0] ?? '';
  const whole = typeof input === 'string' ? input : input === undefined ? said : JSON.stringify(input, null, 2);
  return { name, summary, input: clean(whole) };
}

function summaryOf(input: unknown): string {
  if (typeof input === 'string') return input;
  if (typeof input !== 'object' || input === null) return '';
  const facts = input as Readonly<Record<string, unknown>>;
  const key = SUMMARY_KEYS.find((name) => typeof facts[name] === 'string');
  return key === undefined ? JSON.stringify(input) : textOf(facts[key]);
}

function headOf(line: LogLine): string {
  const { name, summary } = toolCall(line);
  return summary === '' ? name : `${name} ${summary}`;
}

function searchable(line: LogLine): string {
  if (line.kind !== 'tool_use') return line.text;
  return `${headOf(line)}\n${toolCall(line).input}`;
}

function clean(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(TERMINAL_CODES, '').replace(/\t/g, '  ');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
