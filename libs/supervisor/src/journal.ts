import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { JournalLine, RunExit } from '@capstan/domain';

type WithoutPlace<T> = T extends JournalLine ? Omit<T, 'n' | 'at'> : never;
/** A journal line before it has its number and time. */
export type JournalEntry = WithoutPlace<JournalLine>;

const NEWLINE = 0x0a;
const READ_BYTES = 262_144;

/** Appends whole numbered lines, a batch per write; there is one writer per journal: the run's keeper. */
export class JournalWriter {
  private readonly file: number;
  private torn = false;
  private last = 0;
  private size = 0;

  constructor(path: string) {
    this.file = openSync(path, 'a', 0o600);
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.size;
  }

  /** Throws the system's error (e.g. ENOSPC); the next append then starts on a line of its own. */
  append(entries: readonly JournalEntry[]): void {
    if (entries.length === 0) return;
    const at = new Date().toISOString();
    let number = this.last;
    let text = this.torn ? '\n' : '';
    for (const entry of entries) text += `${JSON.stringify({ n: ++number, at, ...entry })}\n`;
    const bytes = Buffer.from(text);
    this.torn = true;
    for (let written = 0; written < bytes.length;) written += writeSync(this.file, bytes, written);
    this.torn = false;
    this.last = number;
    this.size += bytes.length;
  }

  close(): void {
    closeSync(this.file);
  }
}

/** What the end of a journal says. */
export interface JournalEnd {
  /** Number of the last whole line, 0 for none. */
  readonly lastLine: number;
  readonly exit: RunExit | undefined;
}

/** Reads only whole lines of a journal that may be growing; a torn last line isn't there. */
export class JournalReader {
  private constructor(private readonly file: number) {}

  static open(path: string): JournalReader {
    return new JournalReader(openSync(path, 'r'));
  }

  close(): void {
    closeSync(this.file);
  }

  /** Byte offset at which line `n` or, if it isn't there yet, the next line to come begins. */
  offsetOf(n: number): number {
    let low = 0;
    let high = fstatSync(this.file).size;
    // Lines are numbered in order, so the place can be searched for in steps of half the file.
    while (high - low > READ_BYTES) {
      const line = this.lineAfter(low + Math.floor((high - low) / 2), high);
      if (line === undefined) high = low + Math.floor((high - low) / 2);
      else if (line.n <= n) low = line.offset;
      else high = line.offset - 1;
    }
    for (let at = low; ;) {
      const chunk = this.wholeLines(at);
      if (chunk.length === 0) return at;
      for (let start = 0; start < chunk.length; start = chunk.indexOf(NEWLINE, start) + 1) {
        const found = lineNumber(chunk, start);
        if (found !== undefined && found >= n) return at + start;
      }
      at += chunk.length;
    }
  }

  /** Whole lines from `offset` on, some hundred KB at a time (a longer line comes whole); empty at the end. */
  wholeLines(offset: number): Buffer {
    for (let wanted = READ_BYTES; ; wanted *= 2) {
      const bytes = this.read(offset, wanted);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      if (end > 0) return bytes.subarray(0, end);
      if (bytes.length < wanted) return bytes.subarray(0, 0);
    }
  }

  end(): JournalEnd {
    const { size } = fstatSync(this.file);
    for (let wanted = 65_536; ; wanted *= 4) {
      const start = Math.max(0, size - wanted);
      const bytes = this.read(start, size - start);
      const found = lastParsed(bytes, start === 0);
      if (found !== undefined) return { lastLine: found.n, exit: found.kind === 'exit' ? found.exit : undefined };
      if (start === 0) return { lastLine: 0, exit: undefined };
    }
  }

  private lineAfter(from: number, before: number): { offset: number; n: number } | undefined {
    for (let at = from; at < before;) {
      const bytes = this.read(at, READ_BYTES);
      if (bytes.length === 0) return undefined;
      const newline = bytes.indexOf(NEWLINE);
      if (newline < 0) {
        at += bytes.length;
        continue;
      }
      const offset = at + newline + 1;
      const n = lineNumber(this.read(offset, 64), 0);
      if (n !== undefined && offset < before) return { offset, n };
      at = offset;
    }
    return undefined;
  }

  private read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    let got = 0;
    while (got < length) {
      const count = readSync(this.file, bytes, got, length - got, offset + got);
      if (count === 0) break;
      got += count;
    }
    return bytes.subarray(0, got);
  }
}

/** The exit of a run, when `lines` (whole ones) end with it. */
export function exitIn(lines: Buffer): RunExit | undefined {
  const found = lastParsed(lines, true);
  return found?.kind === 'exit' ? found.exit : undefined;
}

/** The number of the last line in `lines`, undefined for none. */
export function lastNumberIn(lines: Buffer): number | undefined {
  return lineNumber(lines, lines.lastIndexOf(NEWLINE, lines.length - 2) + 1);
}

function lastParsed(bytes: Buffer, fromStart: boolean): JournalLine | undefined {
  for (let end = bytes.lastIndexOf(NEWLINE); end > 0;) {
    const before = bytes.lastIndexOf(NEWLINE, end - 1);
    if (before < 0 && !fromStart) return undefined;
    const line = parseLine(bytes.toString('utf8', before + 1, end));
    if (line !== undefined || before <= 0) return line;
    end = before;
  }
  return undefined;
}

/** A journal line, or undefined for what isn't one: the tail of a write that a full disk cut short. */
export function parseLine(text: string): JournalLine | undefined {
  if (!text.startsWith('{"n":')) return undefined;
  try {
    return JSON.parse(text) as JournalLine;
  } catch {
    return undefined;
  }
}

function lineNumber(bytes: Buffer, start: number): number | undefined {
  const match = /^\{"n":(\d+),/.exec(bytes.toString('latin1', start, start + 24));
  return match === null ? undefined : Number(match[1]);
}
