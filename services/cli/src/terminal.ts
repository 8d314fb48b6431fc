/** A column that gives way keeps so many characters. */
const LEAST_WIDTH = 12;

export interface TableOptions {
  /** Columns that are shortened where the terminal is too narrow, the first one first. */
  readonly shrink?: readonly number[];
  /** Colours of a cell; widths are counted without them. */
  readonly paint?: (cell: string, column: number, row: number) => string;
}

/** Where a command writes. `json` is the mode of `-o json`: one JSON value (or one per line) on stdout, nothing else. */
export class Terminal {
  constructor(
    readonly format: 'text' | 'json',
    private readonly colour: boolean,
    private readonly out: (text: string) => void,
    private readonly err: (text: string) => void,
    /** Characters of a line; undefined where no terminal is. */
    private readonly columns?: number,
  ) {}

  /** A line for people; nothing in JSON mode. */
  line(text = ''): void {
    if (this.format === 'text') this.out(`${text}\n`);
  }

  /** A value for programs; nothing in text mode. */
  json(value: unknown): void {
    if (this.format === 'json') this.out(`${JSON.stringify(value)}\n`);
  }

  /** A line about something that is wrong; always shown, on stderr. */
  complain(text: string): void {
    this.err(`${text}\n`);
  }

  bold(text: string): string {
    return this.paint('1', text);
  }
  dim(text: string): string {
    return this.paint('2', text);
  }
  green(text: string): string {
    return this.paint('32', text);
  }
  yellow(text: string): string {
    return this.paint('33', text);
  }
  red(text: string): string {
    return this.paint('31', text);
  }

  /**
   * Rows under headings, columns as wide as their widest cell. Where the terminal is narrower than that, the columns of
   * `shrink` give way, first to last, down to {@link LEAST_WIDTH}; written to a file or a pipe nothing is cut.
   */
  table(headings: readonly string[], rows: readonly (readonly string[])[], options: TableOptions = {}): void {
    const widths = headings.map((heading, column) =>
      Math.max(lengthOf(heading), ...rows.map((row) => lengthOf(row[column] ?? ''))),
    );
    this.fit(widths, options.shrink ?? []);
    const render = (row: readonly string[], paint: (cell: string, column: number) => string) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          const shown = shorten(cell, width);
          const last = column === headings.length - 1;
          return paint(shown, column) + (last ? '' : ' '.repeat(width - lengthOf(shown)));
        })
        .join('  ')
        .trimEnd();
    this.line(this.dim(render(headings, (cell) => cell)));
    rows.forEach((row, index) =>
      this.line(render(row, (cell, column) => options.paint?.(cell, column, index) ?? cell)),
    );
  }

  /** A text in lines of the terminal's width, the second and later ones indented. */
  wrapped(text: string, indent: number, paint: (line: string) => string = (line) => line): void {
    for (const line of wrap(text, this.columns ?? Number.POSITIVE_INFINITY, indent)) this.line(paint(line));
  }

  private fit(widths: number[], shrink: readonly number[]): void {
    if (this.columns === undefined) return;
    let over = widths.reduce((sum, width) => sum + width, 2 * (widths.length - 1)) - this.columns;
    for (const column of shrink) {
      if (over <= 0) return;
      const width = widths[column] ?? 0;
      const less = Math.min(over, Math.max(0, width - LEAST_WIDTH));
      widths[column] = width - less;
      over -= less;
    }
  }

  private paint(code: string, text: string): string {
    return this.colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

/** Text from outside (titles, agents' output) without control characters: none of it may steer the terminal. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '');
}

/** At most so many characters, the last one an ellipsis where something is missing. */
export function shorten(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, Math.max(0, length - 1)).join('')}…`;
}

/** Lines of at most `columns` characters, broken between words; what has no space in it stays whole. */
export function wrap(text: string, columns: number, indent: number): string[] {
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of text.split(' ')) {
    const longer: string = line === undefined ? word : `${line} ${word}`;
    if (line === undefined || line.trim() === '' || lengthOf(longer) <= columns) line = longer;
    else {
      lines.push(line.trimEnd());
      line = ' '.repeat(indent) + word;
    }
  }
  return [...lines, line ?? ''];
}

function lengthOf(text: string): number {
  return [...text].length;
}

/** `14:03:59`, as the clock on the wall of whoever looks. */
export function clockOf(instant: string): string {
  return new Date(instant).toTimeString().slice(0, 8);
}

/** `40 ms`, `1.2 s`, `3 min`: how long something took. */
export function durationOf(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ageOf(new Date(0).toISOString(), ms);
}

/** A code of the API as words: `needs attention`. */
export function wordsOf(code: string): string {
  return code.replaceAll('_', ' ');
}

/** `3 s`, `5 min`, `2 h`, `4 d`: how long ago, roughly. */
export function ageOf(instant: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(instant)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
